"""The write port through its client: every call, and every refusal."""

import contextlib
import json
import shutil

import pytest

from storagenode.protocol import wire
from storagenode.protocol.errors import (
    BadRequest,
    Conflict,
    Corrupt,
    DigestMismatch,
    DiskSuspect,
    Gone,
    NodeError,
    NotAMirror,
    NotFound,
    OutOfSpace,
    Unreachable,
)
from storagenode.protocol.layout import Place
from storagenode.protocol.routes import Signed, Target
from storagenode.protocol.wire import BundledFile
from storagenode.store import Space
from storagenode.write_port.receiving import BATCH_BYTES
from tests.storagenode.disk.test_store import flip
from tests.storagenode.photo_samples import (
    MTIME,
    OTHER_VOLUME,
    VOLUME,
    bundle_of,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.served_site import chunked
from volumes.photo_path import Info, PhotoTombstone, PhotoVersion, Variant, VersionTombstone

DATA = bytes_of("photo", size=1000)


@pytest.fixture(name="node", scope="module")
def _node(served):
    return served


@pytest.fixture(name="place")
def _place(photo_version):
    return variant_of(photo_version)


@pytest.fixture(name="nothing_left", autouse=True)
def _nothing_left(node):
    """Check that no staged file remains after each test."""
    yield
    assert node.staged() == []


def bundle(photo_version, *, sizes="sm"):
    """Return a bundle as it is sent."""
    files = bundle_of(photo_version, sizes=sizes)
    return wire.render_bundle(BundledFile(p.path, digest, data) for p, data, digest in files)


def put_bundle(node, photo_version, body, *, hint_for=None):
    """Send a bundle."""
    node.run(node.client.put_bundle(photo_version, body, hint_for=hint_for, mtime_seconds=MTIME))


def test_a_file_is_put_and_fetched(node, place):
    """With its digest and its time."""
    published = node.put(place, DATA)
    assert (published.path, published.digest) == (place.path, digest_of(DATA))
    assert (published.bytes, published.existed) == (1000, False)
    fetched = node.run(node.client.fetch(place))
    assert fetched.data == DATA
    note = node.run(node.client.stat(place))
    assert (note.digest, note.size_bytes, note.mtime_seconds) == (digest_of(DATA), 1000, MTIME)
    assert fetched.metadata == note


@pytest.mark.parametrize("is_length_known", [True, False])
@pytest.mark.parametrize(
    "size", [0, 1, 63, 64, 65, BATCH_BYTES - 1, BATCH_BYTES + 64, 3 * BATCH_BYTES + 17]
)
def test_bodies_of_every_length_arrive_whole(node, place, size, is_length_known):
    """Around the sizes of batches and of the trailer."""
    data = bytes_of(size, size=size)
    published = node.run(
        node.client.put(
            place,
            chunked(data),
            mtime_seconds=MTIME,
            bytes_total=size if is_length_known else None,
        )
    )
    assert (published.bytes, published.digest) == (size, digest_of(data))
    assert (node.root / place.path).read_bytes() == data


@pytest.mark.parametrize("chunk", [1, 7, 63, 64, 65])
def test_a_slow_sender_is_served(node, place, chunk):
    """With chunks of any size, also within the trailer."""
    data = bytes_of("trickle", size=900)
    body = chunked(data, size=chunk)
    node.run(node.client.put(place, body, mtime_seconds=MTIME, bytes_total=None))
    assert (node.root / place.path).read_bytes() == data


def test_a_large_file_is_streamed_back(node, place):
    """In chunks; the caller compares the digest."""
    data = bytes_of("large", size=3 * BATCH_BYTES)
    node.put(place, data)

    async def stream():
        async with node.client.stream(place) as stream:
            chunks = [chunk async for chunk in stream.chunks]
            return stream.metadata, b"".join(chunks)

    note, received = node.run(stream())
    assert received == data
    assert (note.size_bytes, note.digest) == (len(data), digest_of(data))


def test_a_body_that_raises_is_not_published(node, place):
    """The request is cut off, and the error names the cause."""

    async def body():
        yield DATA
        raise ZeroDivisionError

    with pytest.raises(Unreachable, match="ZeroDivisionError"):
        node.run(node.client.put(place, body(), mtime_seconds=MTIME, bytes_total=None))
    wait_until_nothing_is_staged(node)
    assert not (node.root / place.path).exists()


def wait_until_nothing_is_staged(node):
    """Wait for the node to detect a disconnected sender."""
    for _ in range(2000):
        if node.staged() == []:
            return
        with contextlib.suppress(NodeError):
            node.run(node.client.status())


def test_the_same_again_is_no_error_and_other_bytes_are_a_conflict(node, place):
    """As the store decides."""
    node.put(place, DATA)
    assert node.put(place, DATA).existed
    with pytest.raises(Conflict):
        node.put(place, b"other bytes")
    assert (node.root / place.path).read_bytes() == DATA


def test_deleted_files_and_unknown_volumes_are_refused(node, photo_version, place):
    """Each with its own error."""
    with pytest.raises(NotFound):
        node.run(node.client.fetch(place))
    with pytest.raises(NotFound):
        node.run(node.client.stat(place))
    with pytest.raises(NotAMirror):
        node.put(
            variant_of(PhotoVersion(OTHER_VOLUME, photo_version.photo, photo_version.version)), DATA
        )
    node.run(
        node.client.write_tombstone(Place(VersionTombstone(photo_version)), mtime_seconds=MTIME)
    )
    with pytest.raises(Gone):
        node.put(place, DATA)
    with pytest.raises(Gone):
        put_bundle(node, photo_version, bundle(photo_version))


def test_a_full_disk_differs_from_a_broken_one(node, photo_version, place, monkeypatch):
    """Both are 507, and the client raises different errors."""
    full = Space(0, 10**12, 0, 10**6)
    with monkeypatch.context() as patch:
        patch.setattr(node.store.file_system, "space", lambda: full)
        with pytest.raises(OutOfSpace):
            node.put(place, DATA)
        with pytest.raises(OutOfSpace):
            node.run(node.client.put(place, chunked(DATA), mtime_seconds=MTIME, bytes_total=None))
        with pytest.raises(OutOfSpace):
            node.put(place, bytes(2 * BATCH_BYTES))
        assert not node.run(node.client.status()).accepts_new_photos
        node.run(
            node.client.write_tombstone(Place(VersionTombstone(photo_version)), mtime_seconds=MTIME)
        )
    monkeypatch.setattr(node.store.health, "suspect_reason", "an fsync failed")
    other = variant_of(version_of(700))
    with pytest.raises(DiskSuspect):
        node.put(other, DATA)
    status = node.run(node.client.status())
    assert (status.suspect_reason, status.accepts_new_photos) == ("an fsync failed", False)


def test_a_missing_marker_stops_all_writes(node, photo_version, place):
    """The disk may be unmounted, and its mount point must not be written to."""
    other = version_of(701)
    marker = node.root / ".node"
    shutil.move(marker, marker.with_name("moved"))
    try:
        for write in (
            lambda: node.put(place, DATA),
            lambda: put_bundle(node, photo_version, bundle(photo_version)),
            lambda: node.run(
                node.client.write_tombstone(Place(VersionTombstone(other)), mtime_seconds=MTIME)
            ),
        ):
            with pytest.raises(DiskSuspect, match="mounted"):
                write()
        assert "mounted" in node.run(node.client.status()).suspect_reason
    finally:
        shutil.move(marker.with_name("moved"), marker)
    node.put(place, DATA)


def test_a_bundle_is_published(node, photo_version):
    """All sizes and the info."""
    put_bundle(node, photo_version, bundle(photo_version))
    names = [file.name for file in node.run(node.client.list_photo(VOLUME, photo_version.photo))]
    assert names == [
        f"{photo_version.photo}_{photo_version.version}{end}"
        for end in (".json", "_m.jpg", "_s.jpg")
    ]


def test_an_invalid_bundle_is_refused(node, photo_version):
    """With files of another version or photo, without files, or with wrong digests."""
    other = version_of(701)
    foreign = bundle_of(photo_version, sizes="m") + bundle_of(other, sizes="m")
    body = wire.render_bundle(BundledFile(p.path, digest, data) for p, data, digest in foreign)
    for refused in (
        bundle(other),
        body,
        b"noise",
        bundle(photo_version)[:-1],
        bundle(photo_version) + b"x",
    ):
        with pytest.raises(BadRequest):
            put_bundle(node, photo_version, refused)
    tombstone = BundledFile(
        f"{VOLUME}/{photo_version.shard}/{photo_version.photo}.gone", digest_of(b""), b""
    )
    with pytest.raises(BadRequest):
        put_bundle(node, photo_version, wire.render_bundle([tombstone]))
    wrong = BundledFile(variant_of(photo_version).path, digest_of(b"other"), DATA)
    with pytest.raises(DigestMismatch):
        put_bundle(node, photo_version, wire.render_bundle([wrong]))
    assert node.run(node.client.list_photo(VOLUME, photo_version.photo)) == ()


def test_a_tombstone_has_its_own_route(node, photo_version, place):
    """The route accepts nothing else."""
    node.put(place, DATA)
    with pytest.raises(BadRequest):
        node.run(node.client.write_tombstone(place, mtime_seconds=MTIME))
    for _ in range(2):
        node.run(
            node.client.write_tombstone(Place(VersionTombstone(photo_version)), mtime_seconds=MTIME)
        )
    (listed,) = node.run(node.client.list_photo(VOLUME, photo_version.photo))
    assert listed.name.endswith(".gone")
    assert any(
        path.startswith(".trash/") for path in node.run(node.client.find(photo_version.photo))
    )


def test_hints_are_stored_listed_and_removed(node, photo_version):
    """For each mirror separately."""
    held = variant_of(photo_version, hint_for="west-1")
    tombstone = Place(PhotoTombstone(VOLUME, version_of(702).photo), "west-2")
    node.put(held, DATA)
    node.run(node.client.write_tombstone(tombstone, mtime_seconds=MTIME))
    assert node.run(node.client.status()).hints == 2
    (hint,) = node.run(node.client.list_hints("west-1"))
    assert (hint.place, hint.bytes, hint.digest) == (held, 1000, digest_of(DATA))
    assert [entry.place for entry in node.run(node.client.list_hints("west-2"))] == [tombstone]
    assert node.run(node.client.fetch(held)).data == DATA
    for place in (held, tombstone, held):
        node.run(node.client.remove_hint(place))
    assert node.run(node.client.status()).hints == 0


def test_only_hints_can_be_removed(node, place):
    """Photos are deleted by tombstones."""
    node.put(place, DATA)
    with pytest.raises(BadRequest):
        node.run(node.client.remove_hint(place))
    assert (node.root / place.path).exists()


def test_listings_and_digests_are_those_of_the_store(node, photo_version, place):
    """Over the wire as on the disk."""
    node.put(place, DATA)
    listed = node.run(node.client.list_shard(VOLUME, photo_version.shard))
    assert listed == node.store.list_shard(VOLUME, photo_version.shard)
    assert node.run(node.client.list_photo(VOLUME, photo_version.photo)) == listed
    digests = node.run(node.client.shard_digests(VOLUME))
    assert digests == node.store.shard_digests(VOLUME)
    assert node.run(node.client.find(photo_version.photo)) == [place.path]


def test_a_volume_without_a_mirror_here_is_not_an_empty_one(node, photo_version):
    """Its content is unknown."""
    for ask in (
        node.client.list_shard(OTHER_VOLUME, photo_version.shard),
        node.client.list_photo(OTHER_VOLUME, photo_version.photo),
        node.client.shard_digests(OTHER_VOLUME),
    ):
        with pytest.raises(NotAMirror):
            node.run(ask)


def test_a_digest_is_restored_and_a_version_relinked(node, photo_version, place):
    """Reconcile and revocations use these calls."""
    node.put(place, DATA)
    assert node.run(node.client.restore_digest(place, digest_of(DATA))) == digest_of(DATA)
    new = version_of(703).version[:-1] + "9"
    assert node.run(node.client.relink(photo_version, new))
    flip(node.root / place.path)
    with pytest.raises(Corrupt):
        node.run(node.client.restore_digest(place, ""))
    put_again = node.put(place, DATA)
    assert not put_again.existed


def test_a_corrupt_file_is_detected_by_its_receiver(node, place):
    """It compares the digest of the received bytes with the recorded one."""
    node.put(place, DATA)
    flip(node.root / place.path)
    with pytest.raises(Corrupt):
        node.run(node.client.fetch(place))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/files/42/k7/nothing.jpg"),
        ("GET", "/files/.node"),
        ("GET", "/files/42/.volume"),
        ("GET", "/files/..%2f..%2fetc%2fpasswd"),
        ("DELETE", "/files/.node?hint_for=west-1"),
        ("DELETE", "/files/42/k7/01jd3x8m2c9qp4k7.gone?hint_for=..%2f.."),
        ("PUT", "/tombstones/42/k7/01jd3x8m2c9qp4k7.gone?mtime=yesterday"),
        ("GET", "/volumes/0/shards"),
        ("GET", "/volumes/x/shards/k7"),
        ("GET", "/volumes/42/shards/ui"),
        ("GET", "/volumes/42/photos/me"),
        ("GET", "/find/..%2f"),
        ("POST", "/pulls"),
        ("POST", "/bundles/42/k7/01jd3x8m2c9qp4k7_3fz8qd"),
        ("POST", "/relinks/42/01jd3x8m2c9qp4k7/3fz8qd/x"),
    ],
)
def test_an_invalid_request_is_400(node, method, path):
    """Even with a valid signature."""
    with pytest.raises(BadRequest):
        node.run(node.client._call(Target(method, path, Signed.BODY)))
    assert (node.root / ".node").exists()


def test_a_node_reports_its_identity(node):
    """With another `boot` after a restart."""
    status = node.run(node.client.status())
    marker = json.loads((node.root / ".node").read_text())
    assert (status.node, status.colo, status.uuid) == ("east-1", "east", marker["uuid"])
    assert len(status.boot) == 16
    assert 0 < status.free_bytes <= status.total_bytes
    assert status.suspect_reason == ""


def test_metrics_need_no_signature(node):
    """They are numbers, and reveal nothing about photos."""
    text = node.send_raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").decode()
    assert text.startswith("HTTP/1.1 200 ")
    assert 'glassplate_node_suspect{colo="east",node="east-1"} 0.0' in text


def test_an_info_is_published_after_its_sizes(node, photo_version):
    """In any order within the bundle."""
    files = bundle_of(photo_version, sizes="sm")[::-1]
    body = wire.render_bundle(BundledFile(p.path, digest, data) for p, data, digest in files)
    put_bundle(node, photo_version, body)
    assert node.run(node.client.stat(Place(Info(photo_version)))).size_bytes > 0
    assert node.run(node.client.stat(Place(Variant(photo_version, "m", "jpg")))).size_bytes > 0
