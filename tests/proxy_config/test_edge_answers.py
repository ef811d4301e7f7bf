"""What browsers and balancers get from an edge: the right answer, the same cold and warm."""

import contextlib

import pytest

from tests.proxy_config.asking import ask, exchange, in_seconds, new_photo_path, parse_answer, sign
from tests.proxy_config.stand_in_node import LAST_MODIFIED, bytes_of, etag_of

PERMANENT = "public, max-age=31536000, immutable"
ALLOWED = "GET, HEAD, OPTIONS"
SAFETY_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "cross-origin",
}
LATER = "Tue, 12 Mar 2024 20:57:07 GMT"
EARLIER = "Tue, 12 Mar 2024 20:57:05 GMT"

# Headers, with {etag} for the photo's; status; first and last byte, where there is a part.
CONDITIONS = [
    ({}, 200, None),
    ({"Range": "bytes=0-3"}, 206, (0, 3)),
    ({"Range": "bytes=0-0"}, 206, (0, 0)),
    ({"Range": "bytes=5-"}, 206, (5, -1)),
    ({"Range": "bytes=-5"}, 206, (-5, -1)),
    ({"Range": "bytes=-999999"}, 206, (0, -1)),
    ({"Range": "bytes=0-999999"}, 206, (0, -1)),
    ({"Range": "BYTES=0-3"}, 206, (0, 3)),
    ({"Range": "bytes=99999-"}, 416, None),
    ({"Range": "bytes=-0"}, 416, None),
    ({"Range": "bytes=3-2"}, 416, None),
    ({"Range": "bytes=a-b"}, 416, None),
    ({"Range": "bytes=-"}, 416, None),
    ({"Range": "bytes=99999999999999999999-"}, 416, None),
    ({"Range": "bytes=0-3,6-7"}, 200, None),
    ({"Range": "pages=0-3"}, 200, None),
    ({"Range": "nonsense"}, 200, None),
    ({"If-None-Match": "{etag}"}, 304, None),
    ({"If-None-Match": "W/{etag}"}, 304, None),
    ({"If-None-Match": '"other", {etag}'}, 304, None),
    ({"If-None-Match": "*"}, 304, None),
    ({"If-None-Match": '"other"'}, 200, None),
    ({"If-Modified-Since": LAST_MODIFIED}, 304, None),
    ({"If-Modified-Since": EARLIER}, 200, None),
    ({"If-Modified-Since": LATER}, 200, None),
    ({"If-None-Match": '"other"', "If-Modified-Since": LAST_MODIFIED}, 200, None),
    ({"If-None-Match": "{etag}", "Range": "bytes=0-3"}, 304, None),
    ({"If-None-Match": '"other"', "Range": "bytes=0-3"}, 206, (0, 3)),
    ({"If-Range": "{etag}", "Range": "bytes=0-3"}, 206, (0, 3)),
    ({"If-Range": LAST_MODIFIED, "Range": "bytes=0-3"}, 206, (0, 3)),
    ({"If-Range": '"other"', "Range": "bytes=0-3"}, 200, None),
    ({"If-Range": EARLIER, "Range": "bytes=0-3"}, 200, None),
    ({"If-Match": "{etag}"}, 200, None),
    ({"If-Match": '"other"'}, 412, None),
    ({"If-Unmodified-Since": LAST_MODIFIED}, 200, None),
    ({"If-Unmodified-Since": EARLIER}, 412, None),
]
ERROR_BODIES = {412: b"precondition failed\n", 416: b"range not satisfiable\n"}

POISON = {
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-For": "6.6.6.6",
    "Forwarded": "host=evil.test",
    "X-Original-URL": "/1/00/evil",
    "X-Rewrite-URL": "/1/00/evil",
    "X-HTTP-Method-Override": "DELETE",
    "X-Poison": "yes",
    "Accept": "text/html",
    "Accept-Encoding": "gzip",
    "Cookie": "a=b",
    "Authorization": "Basic eDp5",
    "Cache-Control": "no-cache, no-store, max-age=0",
    "Pragma": "no-cache",
    "Photo-Path": "1/00/evil",
    "Photo-Expiry": "99",
    "X-Accel-Redirect": "/-/reproxy/1",
    "Upgrade": "h2c",
}


def test_a_photo_comes_with_what_its_node_says_of_it(edge):
    """Bytes, type, ETag and Last-Modified are the node's; caching and safety are the edge's."""
    path = new_photo_path()
    answer = ask(edge.address, sign(path))
    assert (answer.status, answer.body) == (200, bytes_of(path))
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["etag"] == etag_of(path)
    assert answer.headers["last-modified"] == LAST_MODIFIED
    assert answer.headers["cache-control"] == PERMANENT
    assert answer.headers["accept-ranges"] == "bytes"
    assert SAFETY_HEADERS.items() <= answer.headers.items()
    assert not {"set-cookie", "vary", "via", "age", "x-varnish", "expires"} & answer.headers.keys()
    assert "glassplate" not in answer.headers.get("server", "")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("headers", "status", "part"), CONDITIONS)
def test_conditions_and_ranges_mean_the_same_cold_and_warm(edge, method, headers, status, part):
    """Every answer is right when the photo is fetched for it, and the same from the cache."""
    path = new_photo_path()
    data = bytes_of(path)
    headers = {name: value.format(etag=etag_of(path)) for name, value in headers.items()}
    cold = ask(edge.address, sign(path), method=method, headers=headers)
    warm = ask(edge.address, sign(path), method=method, headers=headers)
    assert cold.without("date") == warm.without("date")
    assert cold.status == status
    body = {200: data, 304: b""}.get(status, ERROR_BODIES.get(status))
    if part:
        first, last = (at % len(data) for at in part)
        body = data[first : last + 1]
        assert cold.headers["content-range"] == f"bytes {first}-{last}/{len(data)}"
    assert cold.body == (b"" if method == "HEAD" else body)
    if status != 304:
        assert cold.headers["content-length"] == str(len(body))
    if status == 416:
        assert cold.headers["content-range"] == f"bytes */{len(data)}"
    fine = status < 400
    assert cold.headers["cache-control"] == (PERMANENT if fine else "no-store")
    assert ("etag" in cold.headers) == fine
    assert SAFETY_HEADERS.items() <= cold.headers.items()


def test_a_range_fills_the_cache_with_the_whole_photo(edge, nodes):
    """A part asked first makes the whole a hit."""
    path = new_photo_path()
    assert ask(edge.address, sign(path), headers={"Range": "bytes=0-3"}).status == 206
    assert ask(edge.address, sign(path)).body == bytes_of(path)
    assert nodes[0].asked_for(path) == 1


def test_max_age_is_what_is_left_of_the_clients_own_permission(edge):
    """A cached photo is not good for as long as another client's permission, nor as the node's."""
    path = new_photo_path()
    for seconds in (500, 100, 300):
        answer = ask(edge.address, sign(path, expiry=in_seconds(seconds)))
        assert answer.status == 200
        kind, _, age = answer.headers["cache-control"].partition("max-age=")
        assert kind == "public, "
        assert seconds - 30 < int(age) <= seconds


@pytest.mark.parametrize("status", [404, 410])
def test_a_photo_that_is_not_there(edge, nodes, status):
    """404 and 410 are the node's, with constant bodies, and are remembered for a moment."""
    path = new_photo_path()
    for node in nodes:
        (node.absent if status == 404 else node.gone).add(path)
    answers = [ask(edge.address, sign(path)) for _ in range(2)]
    assert [answer.status for answer in answers] == [status, status]
    assert answers[0].body == {404: b"not found\n", 410: b"gone\n"}[status]
    seconds = {404: 1, 410: 60}[status]
    assert answers[0].headers["cache-control"] == f"public, max-age={seconds}"
    if status == 410:
        assert nodes[0].asked_for(path) + nodes[1].asked_for(path) == 1


@pytest.mark.parametrize(
    "target", ["/", "/healthz", "/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg", sign(new_photo_path())]
)
def test_options_need_no_permission(edge, target):
    """A balancer's or a browser's OPTIONS is told what is allowed."""
    answer = ask(edge.address, target, method="OPTIONS")
    assert (answer.status, answer.headers["allow"], answer.body) == (204, ALLOWED, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PURGE", "PROPFIND"])
@pytest.mark.parametrize("expiry", [0, 0xFFFFFFFF])
def test_other_methods_are_refused(edge, method, expiry):
    """405 says what is allowed, whatever the permission."""
    answer = ask(edge.address, sign(new_photo_path(), expiry=expiry), method=method)
    assert (answer.status, answer.headers["allow"]) == (405, ALLOWED)
    assert answer.body == b"method not allowed\n"


def test_balancers_learn_that_the_edge_is_well(edge):
    """/healthz needs no permission and is never cached."""
    answer = ask(edge.address, "/healthz")
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert answer.headers["cache-control"] == "no-store"
    assert ask(edge.address, "/healthz?x").status == 400


@pytest.mark.parametrize("expiry", [0, 0xFFFFFFFF])
def test_a_get_with_a_body_is_refused(edge, expiry):
    """Nobody who fetches a photo sends a body; what smuggles requests does."""
    url = sign(new_photo_path(), expiry=expiry)
    for framing, body in (
        ("Content-Length: 5", "hello"),
        ("Transfer-Encoding: chunked", "0\r\n\r\n"),
    ):
        text = f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{framing}\r\n\r\n{body}"
        assert parse_answer(exchange(edge.address, text.encode())).status == 400
    assert ask(edge.address, url, headers={"Content-Length": "0"}).status == 200


@pytest.mark.parametrize("expiry", [0, 0xFFFFFFFF])
def test_no_header_chooses_or_poisons_an_answer(edge, nodes, expiry):
    """A request full of strange headers gets, and leaves in the cache, what a clean one gets."""
    path = new_photo_path()
    url = sign(path, expiry=expiry)
    poisoned = ask(edge.address, url, headers=POISON)
    clean = ask(edge.address, url)
    assert poisoned.without("date") == clean.without("date")
    assert (clean.status, clean.body) == (200, bytes_of(path))
    for node in nodes:
        for _, target, headers in node.requests:
            if target == url:
                assert not {"Cookie", "Authorization", "X-Forwarded-For"} & headers.keys()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /-/reproxy/..%2f HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"get /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
    ],
    ids=lambda request_bytes: repr(request_bytes[:30]),
)
def test_hostile_bytes_are_answered_with_400_that_echoes_nothing(edge, request_bytes):
    """What no client of ours sends is refused, and not one of its bytes comes back."""
    head, _, end = request_bytes.rpartition(b"\r\n\r\n")
    received = exchange(edge.address, head + b"\r\nConnection: close\r\n\r\n" + end)
    answer = parse_answer(received)
    assert answer.status == 400
    assert answer.body in {b"", b"bad request\n"}


@pytest.mark.parametrize("request_head", [b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_endless_lines_are_cut_off(edge, request_head):
    """Whoever sends 64 KiB without a line end gets no more than 400, and no more of our time."""
    with contextlib.suppress(ConnectionError):
        received = exchange(edge.address, request_head + b"a" * 65536)
        assert received == b"" or parse_answer(received).status == 400


def test_an_absolute_uri_means_what_its_path_means(edge):
    """A proxy's way of asking opens no more than the usual one."""
    path = new_photo_path()
    assert ask(edge.address, "http://photos.test" + sign(path)).body == bytes_of(path)
    assert ask(edge.address, f"http://photos.test/{path}").status == 403


def test_internal_locations_are_closed_to_clients(edge):
    """What is the edge's own is forbidden like anything else without a permission."""
    for target in ("/-/reproxy/" + new_photo_path(), "/purge", "/-/", "/checked"):
        assert ask(edge.address, target).status == 403


def test_a_volume_that_no_node_has(start_edge, make_cluster, make_nodes):
    """A good permission for a volume that is not in the map is a 404."""
    ports = [node.port for node in make_nodes(4)]
    for kind in ("nginx", "varnish"):
        edge = start_edge(kind, make_cluster({"1-5": ports[:2], "7": ports[2:]}))
        for expiry in (0, 0xFFFFFFFF):
            statuses = [
                ask(edge.address, sign(new_photo_path(volume=volume), expiry=expiry)).status
                for volume in (1, 5, 6, 7, 8, 65535)
            ]
            assert statuses == [200, 200, 404, 200, 404, 404]
