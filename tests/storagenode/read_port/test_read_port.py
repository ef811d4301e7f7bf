"""The read port: whoever has a permission gets verified bytes, and nobody gets anything else."""

import base64
import hashlib
import json
import shutil
import time

import pytest

from storagenode.open_file import OpenFile
from storagenode.protocol.layout import Place
from storagenode.read_port.http_semantics import etag_of, http_date
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bytes_of,
    variant_of,
    version_of,
)
from volumes.photo_path import EXTENSIONS, PhotoTombstone, Variant, VersionTombstone

MIB = 1024 * 1024
DATA = bytes_of("photo", size=1000)
LARGE = bytes_of("large", size=9 * MIB + 7)
ETAG = etag_of(mtime_seconds=MTIME, size=len(DATA))
SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Server": "glassplate",
}
MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "heic": "image/heic",
    "tif": "image/tiff",
}
NEVER_THERE = Variant(version_of(999), "m", "jpg")


@pytest.fixture(name="node", scope="module")
def _node(served):
    return served


@pytest.fixture(name="variant")
def _variant(node, photo_version):
    place = variant_of(photo_version, "m")
    node.put(place, DATA)
    return place.file


@pytest.fixture(name="url")
def _url(node, variant):
    return node.url(variant)


@pytest.fixture(name="path")
def _path(node, variant):
    return node.root / Place(variant).path


@pytest.fixture(name="large", scope="module")
def _large(node):
    place = variant_of(version_of(600), "o")
    node.put(place, LARGE)
    return place.file


def test_a_photo_is_sent_with_all_that_a_cache_and_a_browser_need(node, url):
    """Its bytes, what they are, and how long they may be kept."""
    answer = node.read(url)
    assert answer.status == 200
    assert answer.body == DATA
    wanted = {
        **SAFETY,
        "Content-Type": "image/jpeg",
        "Content-Length": str(len(DATA)),
        "ETag": ETAG,
        "Last-Modified": http_date(MTIME),
        "Accept-Ranges": "bytes",
        "Cache-Control": "public, max-age=31536000, immutable",
        "Repr-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(DATA).digest()).decode()}:",
    }
    assert {name: answer.headers.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("ext", EXTENSIONS)
def test_every_format_has_its_media_type(node, photo_version, ext):
    """Of the ext, and of nothing that is in the bytes."""
    variant = Variant(photo_version, "o", ext)
    node.put(Place(variant), b"<html>")
    assert node.read(node.url(variant)).headers["Content-Type"] == MEDIA_TYPES[ext]


def test_both_mirrors_give_the_same_answer(nodes, photo_version):
    """A client may get one half of a photo from each."""
    place = variant_of(photo_version, "m")
    for node in nodes.values():
        node.put(place, DATA)
    answers = [node.read(node.url(place.file)) for node in nodes.values()]
    for name in ("ETag", "Last-Modified", "Content-Length", "Content-Type", "Repr-Digest"):
        assert len({answer.headers[name] for answer in answers}) == 1


def test_an_expiring_permission_is_cached_no_longer_than_it_lasts(node, variant):
    """And not called immutable."""
    now = int(time.time())
    control = node.read(node.url(variant, expiry_seconds=now + 100)).headers["Cache-Control"]
    head, _, seconds = control.partition("max-age=")
    assert head == "public, "
    assert 0 < int(seconds) <= 100


def test_a_head_is_a_get_without_the_body(node, url, large):
    """Whole in memory or streamed."""
    for target in (url, node.url(large)):
        got, head = node.read(target), node.read(target, method="HEAD")
        assert head.status == 200
        assert head.body == b""
        for name in ("Content-Length", "ETag", "Last-Modified", "Repr-Digest", "Content-Type"):
            assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=990-", 990, 999),
        ("bytes=-10", 990, 999),
        ("bytes=0-5000", 0, 999),
    ],
)
def test_a_range_is_sent(node, url, wanted, first, last):
    """With the ETag of the whole."""
    answer = node.read(url, {"Range": wanted, "If-Range": ETAG})
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
    assert answer.headers["ETag"] == ETAG
    assert answer.body == DATA[first : last + 1]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Range": "bytes=1000-"}, 416),
        ({"Range": f"bytes={'9' * 5000}-"}, 416),
        ({"Range": "bytes=0-1,4-5"}, 200),
        ({"Range": "bytes=0-1", "If-Range": '"other"'}, 200),
        ({"If-None-Match": ETAG}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-Modified-Since": http_date(MTIME)}, 304),
        ({"If-Match": '"other"'}, 412),
        ({"If-Unmodified-Since": http_date(MTIME - 1)}, 412),
    ],
)
def test_conditions_are_answered(node, url, headers, status):
    """As the table of `http_semantics` decides."""
    answer = node.read(url, headers)
    assert answer.status == status
    if status == 304:
        assert (answer.body, answer.headers["ETag"]) == (b"", ETAG)
    if status == 416:
        assert answer.headers["Content-Range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize("target", ["/", "/healthz", "/anything"])
def test_options_says_what_is_allowed(node, target):
    """It is what a balancer asks."""
    answer = node.read(target, method="OPTIONS")
    assert answer.status == 204
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_nothing_is_written_through_the_read_port(node, url, path, method):
    """Not with a permission either."""
    answer = node.read(url, method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert path.read_bytes() == DATA


@pytest.mark.parametrize(
    "spoil",
    [
        "{}?",
        "{}?a=1",
        "{}%20",
        "/{}",
        "/.{}",
        "{};v=1",
        "{}%00",
        "/%2e%2e{}",
        "{}//",
        "http://x{}?",
    ],
)
def test_a_target_that_nobody_of_ours_makes_is_400(node, url, spoil):
    """Before any decoding, and before any disk access."""
    answer = node.read(spoil.format(url))
    assert (answer.status, answer.body) == (400, b"bad request\n")
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_refusal_is_the_same_403(node, variant, url):
    """What is there and what is not cannot be told apart without a permission."""
    missing = node.url(NEVER_THERE)
    expired = node.url(variant, expiry_seconds=int(time.time()) - 1)
    other_size = url.replace("_m.", "_o.")
    other_key = url.replace(".a.0.", ".b.0.")
    refused = [
        "/",
        f"/{Place(variant).path}",
        f"/{Place(NEVER_THERE).path}",
        url[:-8] + "AAAA.jpg",
        missing[:-8] + "AAAA.jpg",
        expired,
        other_size,
        other_key,
        url.replace("_m.", "_x."),
        f"/{VOLUME}/.volume",
        "/favicon.ico",
        url.replace(".jpg", ".json"),
    ]
    refused = [target for target in refused if "/." not in target]
    answers = [node.read(target) for target in refused]
    assert {answer.status for answer in answers} == {403}
    assert {answer.body for answer in answers} == {b"forbidden\n"}
    unlike = {json.dumps({**a.headers, "Date": ""}, sort_keys=True) for a in answers}
    assert len(unlike) == 1
    assert answers[0].headers["Cache-Control"] == "no-store"


def test_an_ext_is_not_signed_but_names_another_file(node, url):
    """A permission opens every format of its class, and only those there are."""
    answer = node.read(url.replace(".jpg", ".png"))
    assert (answer.status, answer.headers["Cache-Control"]) == (404, "public, max-age=1")


def test_what_is_not_there_is_404_for_a_second(node):
    """It may be on its way."""
    answer = node.read(node.url(NEVER_THERE))
    assert (answer.status, answer.body) == (404, b"not found\n")
    assert answer.headers["Cache-Control"] == "public, max-age=1"


def test_what_has_a_tombstone_is_410(node, photo_version, url):
    """Of its version, or of the photo; also for sizes that never were."""
    other = version_of(501)
    node.put(variant_of(other, "m"), DATA)
    node.run(
        node.client.write_tombstone(Place(VersionTombstone(photo_version)), mtime_seconds=MTIME)
    )
    node.run(
        node.client.write_tombstone(Place(PhotoTombstone(VOLUME, other.photo)), mtime_seconds=MTIME)
    )
    for target in (
        url,
        node.url(Variant(other, "m", "jpg")),
        node.url(Variant(photo_version, "z", "jpg")),
    ):
        answer = node.read(target)
        assert (answer.status, answer.body) == (410, b"gone\n")


def test_a_tombstone_hides_what_is_still_in_place(node, photo_version, url, path):
    """The process may have died before it moved the files away."""
    (path.parent / f"{photo_version.photo}_{photo_version.version}.gone").write_bytes(b"gone\n")
    assert node.read(url).status == 410
    assert path.exists()


def test_health_is_that_of_the_root(node):
    """An unmounted disk is noticed, and so is its return."""
    assert (node.read("/healthz").status, node.read("/healthz").body) == (200, b"ok\n")
    marker = node.root / ".node"
    shutil.move(marker, marker.with_name("aside"))
    try:
        assert node.read("/healthz").status == 503
    finally:
        shutil.move(marker.with_name("aside"), marker)
    assert node.read("/healthz").status == 200


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /<script> HTTP/1.1\r\nHost: x",
        "GET {}?<script> HTTP/1.1\r\nHost: x",
        "GET {} HTTP/9.9\r\nHost: x",
        "<script> {} HTTP/1.1\r\nHost: x",
        "GET {}<script> x HTTP/1.1\r\nHost: x",
        "GET {} HTTP/1.1\r\nHost : x",
        "GET {} HTTP/1.1\r\n<script>",
        "GET {} HTTP/1.1\r\nHost: x\r\nX: " + "<script>" * 2000,
        "GET /" + "<script>" * 2000 + " HTTP/1.1\r\nHost: x",
        "GET {} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
        "GET {} HTTP/1.1\r\nHost: x\r\nContent-Length: -3",
    ],
)
def test_no_error_repeats_what_was_asked(node, url, request_text):
    """Nor tells what runs here; also when it is no HTTP at all."""
    request = f"{request_text.format(url)}\r\nConnection: close\r\n\r\n"
    received = node.send_raw(request.encode(), to_write_port=False)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.split()[1] in {b"400", b"403"}
    assert body in {b"bad request\n", b"forbidden\n"}
    assert b"script" not in received
    assert b"Server: glassplate" in head
    assert b"aiohttp" not in received


def test_a_fault_of_ours_is_answered_with_nothing_of_it(node, url, monkeypatch, caplog):
    """It is logged, and the reader is sent elsewhere."""

    def fail(*_):
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(node.store, "raise_if_deleted", fail)
    answer = node.read(url)
    assert (answer.status, answer.body) == (500, b"unavailable\n")
    assert "a secret" in caplog.text


def test_a_connection_outlives_an_answer_that_is_an_error(node, url):
    """The next requests on it are answered."""
    targets = ("/nothing", url, node.url(NEVER_THERE), url)
    requests = [f"GET {target} HTTP/1.1\r\nHost: x\r\n" for target in targets]
    received = node.send_raw(
        ("\r\n".join(requests) + "Connection: close\r\n\r\n").encode(), to_write_port=False
    )
    assert received.startswith(b"HTTP/1.1 403 ")
    assert received.count(b"HTTP/1.1 ") == 4
    assert received.count(DATA) == 2


@pytest.mark.parametrize(("size", "reads"), [(1000, "read_cached"), (9 * MIB, "verify")])
def test_a_photo_that_is_deleted_while_it_is_read_is_gone(
    node, photo_version, monkeypatch, size, reads
):
    """A slow disk may take longer than the delete, and its answer would come after the purge."""
    place = variant_of(photo_version, "m")
    node.put(place, bytes_of("slow", size=size))
    read = getattr(OpenFile, reads)

    def read_slowly(file):
        found = read(file)
        node.store.write_tombstone(Place(VersionTombstone(photo_version)), mtime_seconds=MTIME)
        return found

    monkeypatch.setattr(OpenFile, reads, read_slowly)
    answer = node.read(node.url(place.file))
    assert (answer.status, answer.body) == (410, b"gone\n")
