"""The read port and damaged files: what is not whole is never sent, not even in part."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.protocol.layout import Place
from tests.storagenode.disk.test_store import flip
from tests.storagenode.photo_samples import bytes_of, digest_of, variant_of, version_of

MIB = 1024 * 1024
DATA = bytes_of("photo", size=1000)
LARGE = bytes_of("large", size=9 * MIB + 7)


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


def test_a_flipped_bit_is_never_seen(node, url, path):
    """The reader is told to ask elsewhere, and the file is set aside."""
    flip(path)
    answer = node.read(url)
    assert (answer.status, answer.body) == (502, b"bad gateway\n")
    assert answer.headers["Cache-Control"] == "no-store"
    assert not path.exists()
    assert any(path.name in entry.name for entry in (node.root / ".quarantine").iterdir())
    assert node.read(url).status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-0"}])
def test_a_part_of_a_corrupt_file_is_not_sent_either(node, url, path, method, headers):
    """Nor anything said of it."""
    flip(path)
    assert node.read(url, headers, method=method).status == 502


@pytest.mark.parametrize("length", [0, 500, 999, 1256])
def test_a_file_of_another_length_is_never_sent(node, url, path, length):
    """Cut short, emptied, or grown."""
    path.chmod(0o600)
    os.truncate(path, length)
    assert node.read(url).status == 502
    assert not path.exists()


def test_a_healed_file_is_read_again(node, variant, url, path):
    """Reconcile brings the right bytes."""
    flip(path)
    assert node.read(url).status == 502
    node.put(Place(variant), DATA)
    assert node.read(url).body == DATA


def test_a_file_without_a_digest_is_not_sent_and_not_set_aside(node, url, path):
    """Nothing is proven against it: reconcile asks the mirror."""
    path.chmod(0o600)
    os.removexattr(path, DIGEST_XATTR)
    assert node.read(url).status == 502
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("digest", [b"", b"zz", b"\xff" * 64, b"0" * 63])
def test_a_digest_that_is_none_is_a_corrupt_file(node, url, path, digest):
    """And no error of ours."""
    path.chmod(0o600)
    os.setxattr(path, DIGEST_XATTR, digest)
    assert node.read(url).status == 502


def test_many_readers_of_a_corrupt_file_are_all_told(node, url, path):
    """One of them sets it aside; for the others it is corrupt or not there."""
    flip(path)
    with ThreadPoolExecutor(8) as threads:
        statuses = set(threads.map(lambda _: node.read(url).status, range(24)))
    assert 502 in statuses
    assert statuses <= {502, 404}


def test_a_corrupt_file_on_a_disk_that_takes_no_writes_is_still_not_sent(node, url, path):
    """It cannot be set aside."""
    flip(path)
    node.store.health.suspect_reason = "an fsync failed"
    try:
        assert [node.read(url).status for _ in range(2)] == [502, 502]
    finally:
        node.store.health.suspect_reason = ""
    assert path.exists()


def test_a_disk_that_cannot_be_read_is_503(node, url, monkeypatch):
    """The edge asks the other mirror."""

    def fail(*_):
        raise OSError(5, "Input/output error")

    for call in ("exists", "open_to_read", "stat_open", "digest_open", "read_at"):
        with monkeypatch.context() as patch:
            patch.setattr(node.store.file_system, call, fail)
            patch.setattr(node.store.file_system, "read_cached", lambda *_: None)
            answer = node.read(url)
            assert (call, answer.status, answer.body) == (call, 503, b"unavailable\n")
    assert node.read(url).body == DATA


def test_a_large_file_is_streamed(node, large):
    """Verified first, and never in memory whole."""
    answer = node.read(node.url(large))
    assert answer.status == 200
    assert digest_of(answer.body) == digest_of(LARGE)
    assert answer.headers["Content-Length"] == str(len(LARGE))


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
    """Across the pieces that it is read in."""
    answer = node.read(node.url(large), {"Range": wanted})
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(LARGE)}"
    assert answer.body == LARGE[start:end]


def test_a_large_corrupt_file_is_refused_before_its_first_byte(node, photo_version):
    """The whole of it is verified, also for a range that is sound."""
    place = variant_of(photo_version, "o")
    node.put(place, LARGE)
    flip(node.root / place.path)
    assert node.read(node.url(place.file), {"Range": "bytes=0-9"}).status == 502


def test_a_large_file_that_fails_half_way_is_cut_off(node, photo_version, monkeypatch):
    """No error can be put into its middle; a length that is not reached is one."""
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
