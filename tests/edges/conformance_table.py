"""Table of requests and expected responses, shared by nodes and both kinds of edges.

In targets and headers `{url}` is a permission URL of a photo, `{etag}` its ETag, `{mtime}` its
Last-Modified, and `{earlier}` and `{later}` are one second beside that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from storagenode.read_port.http_semantics import etag_of, http_date
from tests.edges.read_targets import PHOTO_BYTES
from tests.storagenode.photo_samples import MTIME

WORDS = {
    "etag": etag_of(mtime_seconds=MTIME, size=PHOTO_BYTES),
    "mtime": http_date(MTIME),
    "earlier": http_date(MTIME - 1),
    "later": http_date(MTIME + 1),
}
ERROR_TEXTS = {
    400: "bad request",
    403: "forbidden",
    404: "not found",
    405: "method not allowed",
    410: "gone",
    412: "precondition failed",
    416: "range not satisfiable",
}
LAST = PHOTO_BYTES - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request and its response; `part` is the first and the last byte of a 206."""

    method: str = "GET"
    target: str = "{url}"
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int
    part: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Test id."""
        headers = ", ".join(f"{name}: {value}" for name, value in self.headers.items())
        return f"{self.method} {self.target} {headers}".strip()

    def filled_headers(self) -> dict[str, str]:
        """Return the headers with the photo's values."""
        return {name: value.format(**WORDS) for name, value in self.headers.items()}


RANGES: dict[str, tuple[int, int] | int] = {
    "bytes=0-3": (0, 3),
    "bytes=0-0": (0, 0),
    "bytes=5-": (5, LAST),
    "bytes=-5": (LAST - 4, LAST),
    "bytes=-1": (LAST, LAST),
    f"bytes=-{PHOTO_BYTES}": (0, LAST),
    "bytes=-999999": (0, LAST),
    "bytes=0-": (0, LAST),
    f"bytes=0-{LAST}": (0, LAST),
    "bytes=0-999999": (0, LAST),
    f"bytes={LAST}-": (LAST, LAST),
    f"bytes={LAST}-{LAST}": (LAST, LAST),
    "BYTES=0-3": (0, 3),
    "bytes= 0 - 3 ": (0, 3),
    "bytes=00000-00003": (0, 3),
    f"bytes={PHOTO_BYTES}-": 416,
    "bytes=99999-": 416,
    "bytes=99999-999999": 416,
    "bytes=-0": 416,
    "bytes=3-2": 416,
    "bytes=a-b": 416,
    "bytes=0x0-0x3": 416,
    "bytes=0": 416,
    "bytes=0-3x": 416,
    "bytes=--3": 416,
    "bytes=+0-3": 416,
    "bytes=1.5-3": 416,
    "bytes=-": 416,
    "bytes=99999999999999999999-": 416,
    "bytes=0-99999999999999999999": 416,
    "bytes=-99999999999999999999": 416,
    "bytes=0-3,6-7": 200,
    "bytes=0-3, 6-7": 200,
    "bytes=0-3,-1": 200,
    "bytes=0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0": 200,
    "bytes=0-3,99999-": 200,
    "bytes=99999-,0-3": 200,
    "bytes=99999-,99999-": 200,
    "bytes=0-3,-0": 200,
    "bytes=0-3,": 200,
    "bytes=0-0, ": 200,
    "bytes=,0-3": 200,
    "bytes=,": 200,
    "bytes=, ,": 200,
    "bytes=,,0-3": 200,
    "bytes=0-3,x": 200,
    "bytes=x,0-3": 200,
    "bytes=0-3 , 6-7": 200,
    "bytes=0-3;6-7": 416,
    "bytes=0-3 6-7": 416,
    "bytes=0-3-": 416,
    "bytes==0-3": 416,
    "bytes=0-3=": 416,
    "bytes= -5": (LAST - 4, LAST),
    "bytes=- 5": 416,
    "bytes=5 -": (5, LAST),
    "bytes=0 3": 416,
    "bytes =0-3": 200,
    "Bytes=0-3": (0, 3),
    "byte=0-3": 200,
    "bytesx=0-3": 200,
    "items=0-3,6-7": 200,
    "=0-3": 200,
    ",bytes=0-3": 200,
    "pages=0-3": 200,
    "bytes 0-3": 200,
    "bytes": 200,
    "bytes=": 200,
    "nonsense": 200,
}

CONDITIONS: list[tuple[dict[str, str], int]] = [
    ({}, 200),
    ({"If-None-Match": "{etag}"}, 304),
    ({"If-None-Match": "W/{etag}"}, 304),
    ({"If-None-Match": '"other", {etag}'}, 304),
    ({"If-None-Match": '{etag}, "other"'}, 304),
    ({"If-None-Match": '"other",W/{etag}'}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": '"other"'}, 200),
    ({"If-None-Match": 'W/"other"'}, 200),
    ({"If-None-Match": '""'}, 200),
    ({"If-Modified-Since": "{mtime}"}, 304),
    ({"If-Modified-Since": "{earlier}"}, 200),
    ({"If-Modified-Since": "{later}"}, 200),
    ({"If-Modified-Since": "yesterday"}, 200),
    ({"If-None-Match": "{etag}", "If-Modified-Since": "{mtime}"}, 304),
    ({"If-None-Match": '"other"', "If-Modified-Since": "{mtime}"}, 200),
    ({"If-None-Match": "{etag}", "If-Modified-Since": "{earlier}"}, 200),
    ({"If-None-Match": "{etag}", "Range": "bytes=0-3"}, 304),
    ({"If-None-Match": '"other"', "Range": "bytes=0-3"}, 206),
    ({"If-Modified-Since": "{mtime}", "Range": "bytes=0-3"}, 304),
    ({"If-Range": "{etag}", "Range": "bytes=0-3"}, 206),
    ({"If-Range": "{mtime}", "Range": "bytes=0-3"}, 206),
    ({"If-Range": '"other"', "Range": "bytes=0-3"}, 200),
    ({"If-Range": "W/{etag}", "Range": "bytes=0-3"}, 200),
    ({"If-Range": "{earlier}", "Range": "bytes=0-3"}, 200),
    ({"If-Range": "{later}", "Range": "bytes=0-3"}, 200),
    ({"If-Range": "{etag}"}, 200),
    ({"If-Range": "{etag}", "Range": "bytes=99999-"}, 416),
    ({"If-Range": "{etag}", "Range": "bytes=0-3,"}, 200),
    ({"If-None-Match": "{etag}", "Range": "bytes=0-3,"}, 304),
    ({"If-Match": "{etag}"}, 200),
    ({"If-Match": "*"}, 200),
    ({"If-Match": '"other", {etag}'}, 200),
    ({"If-Match": '"other"'}, 412),
    ({"If-Match": "W/{etag}"}, 412),
    ({"If-Match": "{etag}", "Range": "bytes=0-3"}, 206),
    ({"If-Unmodified-Since": "{mtime}"}, 200),
    ({"If-Unmodified-Since": "{later}"}, 200),
    ({"If-Unmodified-Since": "{earlier}"}, 412),
    ({"Accept-Encoding": "gzip, br"}, 200),
    ({"Accept": "text/html"}, 200),
    ({"Cache-Control": "no-cache", "Pragma": "no-cache"}, 200),
    ({"Content-Length": "0"}, 200),
]

METHODS = ("POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PURGE", "PROPFIND")

OTHER_TARGETS = {
    "/?": 400,
    "/?x": 400,
    "/favicon.ico": 403,
    "/healthz/": 403,
    "/HEALTHZ": 403,
    "/healthz?x": 400,
    "{url}?": 400,
    "{url}?a=b": 400,
    "{url}?a=b&a=c": 400,
    "{url};x": 400,
    "{url}/": 403,
    "{url}/x.css": 403,
    "{url}.php": 403,
    "{url}%20": 400,
    "{url}%00": 400,
    "{url}\\": 403,
    "{url}+": 403,
    "/{url}": 400,
    "/.{url}": 400,
    "/x/..{url}": 400,
    "/%2e%2e{url}": 400,
    "/../../etc/passwd": 400,
    "/..%2f..%2fetc%2fpasswd": 400,
    "/%2e%2e/%2e%2e/etc/passwd": 400,
    "/..%252f..%252fetc/passwd": 400,
    "/..%c0%af..%c0%afetc/passwd": 400,
    "/..%u2215etc": 400,
    "/..\\..\\etc\\passwd": 400,
    "/....//etc/passwd": 400,
    "/..;/etc/passwd": 400,
    "/./": 400,
    "/42//00/": 400,
    "///": 400,
    "/%": 400,
    "/%zz": 400,
    "/%61": 400,
    "/a%0d%0aSet-Cookie:%20x": 400,
    "/\xff\xfe": 400,
    "/42/00/\u00bd": 400,
    "/42": 403,
    "/42/": 403,
    "/42/00/": 403,
    "/42/.volume": 400,
    "/.staging/x": 400,
    "/.hints/x": 400,
    "/proc/self/environ": 403,
    "/*": 403,
    "/~": 403,
    "/$(id)": 403,
    "/`id`": 403,
    "/a&b=c": 403,
    "/-/reproxy/42/00/x": 403,
    "/purge": 403,
    "/metrics": 403,
    "/files/42": 403,
    "/" + "a" * 511: 403,
    "/" + "a" * 512: 400,
    "/" + "a/" * 250: 403,
    "/" + "a" * 4000: 400,
}


def cases() -> Iterator[Case]:
    """Return all cases."""
    for method in ("GET", "HEAD"):
        for text, wanted in RANGES.items():
            status, part = (wanted, None) if isinstance(wanted, int) else (206, wanted)
            yield Case(method=method, headers={"Range": text}, status=status, part=part)
        for headers, status in CONDITIONS:
            part = (0, 3) if status == 206 else None
            yield Case(method=method, headers=headers, status=status, part=part)
        yield Case(method=method, target="/healthz", status=200)
        yield Case(method=method, target="/", status=200)
    for method in METHODS:
        yield Case(method=method, status=405)
        yield Case(method=method, target="/", status=405)
    for target in ("{url}", "/", "/healthz", "/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg"):
        yield Case(method="OPTIONS", target=target, status=204)
    yield Case(method="OPTIONS", target="*", status=400)
    yield Case(method="get", status=400)
    for target, status in OTHER_TARGETS.items():
        yield Case(target=target, status=status)
    yield Case(target="http://photos.test{url}", status=200)
    yield Case(target="http://photos.test/", status=200)
    yield Case(target="http://photos.test/x", status=403)
    yield Case(target="http://photos.test/..{url}", status=400)
