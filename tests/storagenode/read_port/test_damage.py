"""The read port never sends damaged files, not even in part."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.protocol.layout import Place
from tests.storagenode.disk.test_store import flip
from tests.storagenode.photo_samples import digest_of, variant_of
from tests.storagenode.read_port.conftest import DATA, LARGE, MIB


def test_a_flipped_bit_is_never_sent(node, url, path):
    """The response is 502, and the file is quarantined."""
    flip(path)
    response = node.read(url)
    assert (response.status, response.body) == (502, b"bad gateway\n")
    assert response.headers["Cache-Control"] == "no-store"
    assert not path.exists()
    assert any(path.name in entry.name for entry in (node.root / ".quarantine").iterdir())
    assert node.read(url).status == 404


def test_a_bit_that_flips_between_two_reads_is_not_sent(node, url, path):
    """The digest of the first read is known, and the bytes are verified all the same."""
    assert node.read(url).body == DATA
    flip(path)
    assert node.read(url).status == 502
    assert not path.exists()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-0"}])
def test_a_range_of_a_corrupt_file_is_not_sent(node, url, path, method, headers):
    """Nor are its headers."""
    flip(path)
    assert node.read(url, headers, method=method).status == 502


@pytest.mark.parametrize("length", [0, 500, 999, 1256])
def test_a_file_of_another_length_is_never_sent(node, url, path, length):
    """Truncated, emptied, or extended."""
    path.chmod(0o600)
    os.truncate(path, length)
    assert node.read(url).status == 502
    assert not path.exists()


def test_a_repaired_file_is_read_again(node, variant, url, path):
    """Reconcile stores the right bytes."""
    flip(path)
    assert node.read(url).status == 502
    node.put(Place(variant), DATA)
    assert node.read(url).body == DATA


def test_a_file_without_a_digest_is_neither_sent_nor_quarantined(node, url, path):
    """Reconcile decides with the mirror's digest."""
    path.chmod(0o600)
    os.removexattr(path, DIGEST_XATTR)
    assert node.read(url).status == 502
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("digest", [b"", b"zz", b"\xff" * 64, b"0" * 63])
def test_a_file_with_an_invalid_digest_is_corrupt(node, url, path, digest):
    """It causes no internal error."""
    path.chmod(0o600)
    os.setxattr(path, DIGEST_XATTR, digest)
    assert node.read(url).status == 502


def test_many_readers_of_a_corrupt_file_get_an_error(node, url, path):
    """One of them quarantines it; the others get 502 or 404."""
    flip(path)
    with ThreadPoolExecutor(8) as threads:
        statuses = set(threads.map(lambda _: node.read(url).status, range(24)))
    assert 502 in statuses
    assert statuses <= {502, 404}


def test_a_corrupt_file_on_a_suspect_disk_is_not_sent(node, url, path):
    """Although it cannot be quarantined."""
    flip(path)
    node.store.health.suspect_reason = "an fsync failed"
    try:
        assert [node.read(url).status for _ in range(2)] == [502, 502]
    finally:
        node.store.health.suspect_reason = ""
    assert path.exists()


def test_a_disk_that_cannot_be_read_is_503(node, url, monkeypatch):
    """The edge then uses the other mirror."""

    def fail(*_):
        raise OSError(5, "Input/output error")

    for call in ("exists", "open_to_read", "stat_open", "digest_open", "read_at"):
        with monkeypatch.context() as patch:
            patch.setattr(node.store.file_system, call, fail)
            patch.setattr(node.store.file_system, "read_cached", lambda *_: None)
            response = node.read(url)
            assert (call, response.status, response.body) == (call, 503, b"unavailable\n")
    assert node.read(url).body == DATA


def test_a_large_file_is_streamed(node, large):
    """It is verified first, and never in memory whole."""
    response = node.read(node.url(large))
    assert response.status == 200
    assert digest_of(response.body) == digest_of(LARGE)
    assert response.headers["Content-Length"] == str(len(LARGE))


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        (f"bytes={MIB - 1}-{MIB}", MIB - 1, MIB + 1),
        ("bytes=-7", len(LARGE) - 7, len(LARGE)),
        ("bytes=1048576-", MIB, len(LARGE)),
    ],
)
def test_a_range_of_a_large_file_is_streamed(node, large, wanted, start, end):
    """Across several chunks."""
    response = node.read(node.url(large), {"Range": wanted})
    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(LARGE)}"
    assert response.body == LARGE[start:end]


def test_a_large_corrupt_file_is_refused_before_its_first_byte(node, photo_version):
    """The whole file is verified, also for a sound range."""
    place = variant_of(photo_version, "o")
    node.put(place, LARGE)
    flip(node.root / place.path)
    assert node.read(node.url(place.file), {"Range": "bytes=0-9"}).status == 502


def test_a_large_file_that_fails_during_sending_is_cut_off(node, photo_version, monkeypatch):
    """The missing length reveals the error to the client."""
    place = variant_of(photo_version, "o")
    node.put(place, LARGE)
    real = node.store.file_system.read_at
    reads = []

    def fail_late(handle, offset, bytes_max):
        reads.append(offset)
        if len(reads) > 14:
            raise OSError(5, "Input/output error")
        return real(handle, offset, bytes_max)

    monkeypatch.setattr(node.store.file_system, "read_at", fail_late)
    request = f"GET {node.url(place.file)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    received = node.send_raw(request, to_write_port=False)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert len(body) < len(LARGE)
    assert LARGE.startswith(body)
