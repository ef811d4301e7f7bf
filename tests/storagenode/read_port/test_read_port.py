"""The read port sends verified bytes to bearers of a permission, and nothing else."""

import base64
import hashlib
import json
import os
import shutil
import time

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR
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
from tests.storagenode.read_port.conftest import DATA, MIB
from tests.storagenode.tombstones import proof_of, write_tombstone
from volumes.photo_path import EXTENSIONS, PhotoTombstone, Variant, VersionTombstone

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


def test_a_photo_has_all_headers_for_caches_and_browsers(node, url):
    """Its type, its length, and its lifetime."""
    response = node.read(url)
    assert response.status == 200
    assert response.body == DATA
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
    assert {name: response.headers.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("ext", EXTENSIONS)
def test_every_format_has_its_media_type(node, photo_version, ext):
    """It depends on the extension, not on the bytes."""
    variant = Variant(photo_version, "o", ext)
    node.put(Place(variant), b"<html>")
    assert node.read(node.url(variant)).headers["Content-Type"] == MEDIA_TYPES[ext]


def test_both_mirrors_send_the_same_response(nodes, photo_version):
    """A client can fetch each half from another mirror."""
    place = variant_of(photo_version, "m")
    for node in nodes.values():
        node.put(place, DATA)
    responses = [node.read(node.url(place.file)) for node in nodes.values()]
    for name in ("ETag", "Last-Modified", "Content-Length", "Content-Type", "Repr-Digest"):
        assert len({response.headers[name] for response in responses}) == 1


def test_a_response_is_cached_no_longer_than_its_permission(node, variant):
    """And it is not immutable."""
    now = int(time.time())
    control = node.read(node.url(variant, expiry_seconds=now + 100)).headers["Cache-Control"]
    head, _, seconds = control.partition("max-age=")
    assert head == "public, "
    assert 0 < int(seconds) <= 100


def test_a_head_is_a_get_without_the_body(node, url, large):
    """For buffered and streamed files."""
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
    """With the ETag of the full file."""
    response = node.read(url, {"Range": wanted, "If-Range": ETAG})
    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
    assert response.headers["ETag"] == ETAG
    assert response.body == DATA[first : last + 1]


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
def test_conditions_are_handled(node, url, headers, status):
    """As `http_semantics` decides."""
    response = node.read(url, headers)
    assert response.status == status
    if status == 304:
        assert (response.body, response.headers["ETag"]) == (b"", ETAG)
    if status == 416:
        assert response.headers["Content-Range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize("target", ["/", "/healthz", "/anything"])
def test_options_returns_the_allowed_methods(node, target):
    """Load balancers use it."""
    response = node.read(target, method="OPTIONS")
    assert response.status == 204
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_the_read_port_accepts_no_writes(node, url, path, method):
    """Even with a permission."""
    response = node.read(url, method=method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
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
def test_a_malformed_target_is_400(node, url, spoil):
    """Before decoding and before any disk access."""
    response = node.read(spoil.format(url))
    assert (response.status, response.body) == (400, b"bad request\n")
    assert response.headers["Cache-Control"] == "no-store"


def test_every_refusal_is_the_same_403(node, variant, url):
    """Existing and missing photos look the same without a permission."""
    missing = node.url(NEVER_THERE)
    expired = node.url(variant, expiry_seconds=int(time.time()) - 1)
    other_size = url.replace("_m.", "_o.")
    other_key = url.replace(".a.0.", ".b.0.")
    refused = [
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
    responses = [node.read(target) for target in refused]
    assert {response.status for response in responses} == {403}
    assert {response.body for response in responses} == {b"forbidden\n"}
    unlike = {json.dumps({**a.headers, "Date": ""}, sort_keys=True) for a in responses}
    assert len(unlike) == 1
    assert responses[0].headers["Cache-Control"] == "no-store"


def test_a_permission_covers_every_format_of_its_class(node, url):
    """The extension is not signed and selects another file."""
    response = node.read(url.replace(".jpg", ".png"))
    assert (response.status, response.headers["Cache-Control"]) == (404, "public, max-age=1")


def test_a_missing_file_is_404_for_a_second(node):
    """It can arrive soon."""
    response = node.read(node.url(NEVER_THERE))
    assert (response.status, response.body) == (404, b"not found\n")
    assert response.headers["Cache-Control"] == "public, max-age=1"


def test_a_deleted_file_is_410(node, photo_version, url):
    """By a tombstone of the version or photo, also for sizes that never existed."""
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
        response = node.read(target)
        assert (response.status, response.body) == (410, b"gone\n")


def test_a_tombstone_hides_files_still_in_place(node, photo_version, url, path):
    """The process can die before it moves them to the trash."""
    place = Place(VersionTombstone(photo_version))
    (node.root / place.path).touch()
    os.setxattr(node.root / place.path, DIGEST_XATTR, proof_of(place).encode())
    assert node.read(url).status == 410
    assert path.exists()


@pytest.mark.parametrize("proof", ["", "a.AAAAAAAAAAAAAAAAAAAAAAAA", "of another photo"])
def test_a_tombstone_without_a_valid_proof_says_nothing_of_the_photo(
    node, photo_version, url, path, proof
):
    """Edges request the photo from another mirror, as for a corrupt copy."""
    tombstone = node.root / Place(VersionTombstone(photo_version)).path
    tombstone.touch()
    if proof == "of another photo":
        proof = proof_of(Place(VersionTombstone(version_of(502))))
    os.setxattr(tombstone, DIGEST_XATTR, proof.encode())
    assert node.read(url).status == 503
    assert path.exists()


def test_health_is_that_of_the_root(node):
    """It fails for an unmounted disk and recovers with it."""
    assert (node.read("/healthz").status, node.read("/healthz").body) == (200, b"ok\n")
    marker = node.root / ".node"
    shutil.move(marker, marker.with_name("moved"))
    try:
        assert node.read("/healthz").status == 503
    finally:
        shutil.move(marker.with_name("moved"), marker)
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
def test_no_error_repeats_the_request(node, url, request_text):
    """Nor reveals the software, even if the request is not HTTP."""
    request = f"{request_text.format(url)}\r\nConnection: close\r\n\r\n"
    received = node.send_raw(request.encode(), to_write_port=False)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.split()[1] in {b"400", b"403"}
    assert body in {b"bad request\n", b"forbidden\n"}
    assert b"script" not in received
    assert b"Server: glassplate" in head
    assert b"aiohttp" not in received


def test_an_internal_error_reveals_nothing(node, url, monkeypatch, caplog):
    """It is logged, and the response is 503."""

    def fail(*_):
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(node.store, "raise_if_deleted", fail)
    response = node.read(url)
    assert (response.status, response.body) == (500, b"unavailable\n")
    assert "a secret" in caplog.text


def test_a_connection_survives_an_error_response(node, url):
    """The next requests on it get responses."""
    targets = ("/nothing", url, node.url(NEVER_THERE), url)
    requests = [f"GET {target} HTTP/1.1\r\nHost: x\r\n" for target in targets]
    received = node.send_raw(
        ("\r\n".join(requests) + "Connection: close\r\n\r\n").encode(), to_write_port=False
    )
    assert received.startswith(b"HTTP/1.1 403 ")
    assert received.count(b"HTTP/1.1 ") == 4
    assert received.count(DATA) == 2


# On the fast path, from memory, from memory after a thread, and streamed.
SIZES_OF_READS = {
    "fast": (1000, {}, "read_cached"),
    "inline": (1000, {"Unusual-Header": "it"}, "read_cached"),
    "range": (1000, {"Range": "bytes=1-9"}, "read_cached"),
    "buffered": (MIB, {}, "read"),
    "buffered range": (MIB, {"Range": "bytes=1-9"}, "read"),
    "streamed": (9 * MIB, {}, "verify"),
}


@pytest.mark.parametrize("kind", [PhotoTombstone, VersionTombstone])
@pytest.mark.parametrize("name", SIZES_OF_READS)
def test_a_photo_that_is_deleted_during_a_read_is_gone(
    node, photo_version, monkeypatch, name, kind
):
    """A slow read would otherwise end after the purge of caches, on any path."""
    size, headers, reads = SIZES_OF_READS[name]
    place = variant_of(photo_version, "m")
    node.put(place, bytes_of("slow", size=size))
    tombstone = (
        PhotoTombstone(photo_version.volume, photo_version.photo)
        if kind is PhotoTombstone
        else VersionTombstone(photo_version)
    )
    read = getattr(OpenFile, reads)

    def read_slowly(file):
        found = read(file)
        write_tombstone(node.store, Place(tombstone))
        return found

    monkeypatch.setattr(OpenFile, reads, read_slowly)
    response = node.read(node.url(place.file), headers)
    assert (response.status, response.body) == (410, b"gone\n")
