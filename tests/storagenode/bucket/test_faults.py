"""A bucket that is slow, busy, corrupt, or down loses nothing, and every error gives advice."""

import contextlib
import dataclasses
import itertools
import time

import pytest

from drill.cluster.faulty_s3_proxy import is_photo_read, running_faulty_s3_proxy
from storagenode.bucket import opening, reading
from storagenode.bucket.bucket import PARALLEL_CALLS_MAX, PART_BYTES
from storagenode.bucket.health import BucketHealth
from storagenode.bucket.opening import connect, marked_bucket, opened_bucket
from storagenode.bucket.store import BucketStore
from storagenode.protocol.errors import (
    BucketUnavailable,
    Corrupt,
    DiskSuspect,
    Gone,
    NodeError,
    NotFound,
)
from storagenode.protocol.layout import Place
from storagenode.store import RootRefused
from tests.storagenode.bucket.bucket_under_test import node_over
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.store_under_test import OF, put
from tests.storagenode.tombstones import PROOFS, write_tombstone
from volumes.photo_path import VersionTombstone

_numbers = itertools.count()

LARGE = bytes_of("large", size=2 * PART_BYTES + 1000)


@pytest.fixture(name="s3", scope="module", params=["moto", "seaweed"])
def _s3(request):
    """Provide either server behind a proxy that injects faults."""
    with running_faulty_s3_proxy(request.getfixturevalue(request.param)) as proxy:
        yield proxy


@pytest.fixture(name="impatient", autouse=True)
def _impatient(monkeypatch):
    """Shorten the delays and keep the number of retries."""
    monkeypatch.setattr(opening, "RESPONSE_SECONDS", 20.0)
    monkeypatch.setattr(reading, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)


@pytest.fixture(name="store")
def _store(s3):
    node = node_over(s3.url, prefix=f"faults/{next(_numbers)}")
    marked_bucket(node)
    with contextlib.closing(connect(node, threads=4)) as bucket:
        store = BucketStore(bucket, BucketHealth(lambda: None), PROOFS)
        store.create_volumes([VOLUME])
        yield store


def read(store, place):
    """Return all bytes, verified."""
    with contextlib.closing(store.open(place.path)) as file:
        return file.read()


def test_a_large_file_is_sent_in_parts_and_comes_back_whole(store, s3):
    """Each part is a request, and the number of parallel requests is limited."""
    s3.requests.clear()
    s3.in_flight_most = 0
    assert put_large(store).bytes == len(LARGE)
    assert sum("partNumber" in path for _, path in s3.requests) == 3
    assert s3.in_flight_most <= PARALLEL_CALLS_MAX + 1
    assert read(store, variant_of(OF)) == LARGE
    assert put_large(store).existed


def put_large(store):
    """Write the large file in chunks, as a received file is written."""
    with store.staging(bytes_expected=0) as file:
        file.write(LARGE)
        return store.publish(file, variant_of(OF), mtime_seconds=MTIME, digest=digest_of(LARGE))


def test_a_part_that_fails_is_sent_again_alone(store, s3):
    """The other parts are sent once."""
    s3.requests.clear()
    with s3.failing(
        status=503, code="SlowDown", times=1, applies=lambda _, path: "partNumber" in path
    ):
        put_large(store)
    assert sum("partNumber" in path for _, path in s3.requests) == 4
    assert read(store, variant_of(OF)) == LARGE


def test_an_upload_in_parts_that_fails_leaves_no_parts(store, s3):
    """Parts of a failed upload are aborted, because they cost money."""
    with (
        s3.failing(status=500, code="InternalError", applies=lambda _, p: "partNumber=2" in p),
        pytest.raises(BucketUnavailable),
    ):
        put_large(store)
    assert s3.requests[-1][0] == "DELETE"
    with pytest.raises(NotFound):
        read(store, variant_of(OF))
    assert not put_large(store).existed


@pytest.mark.parametrize(
    "how", [{"status": 503, "code": "SlowDown"}, {"status": 500, "code": "x"}, {"hang_up": True}]
)
def test_short_failures_are_retried(store, s3, how):
    """A caller does not notice two failures in a row."""
    for name, work in (
        ("put", lambda: put(store, variant_of(OF), b"photo")),
        ("read", lambda: read(store, variant_of(OF))),
        ("list", lambda: store.shard_digests(VOLUME)),
    ):
        with s3.failing(**how, times=2) as fault:
            assert work(), name
        assert fault.times == 0, name


def test_an_unreachable_server_is_reported(store, s3):
    """Nothing is stored meanwhile, and writes work again afterwards."""
    put(store, variant_of(OF), b"photo")
    with s3.failing(hang_up=True):
        for work in (
            lambda: put(store, variant_of(version_of(3)), b"photo"),
            lambda: read(store, variant_of(OF)),
            lambda: store.list_photo(VOLUME, OF.photo),
            lambda: store.shard_digests(VOLUME),
            lambda: store.raise_if_deleted(variant_of(OF).file),
            lambda: write_tombstone(store, Place(VersionTombstone(OF))),
        ):
            with pytest.raises(BucketUnavailable, match="is unreachable"):
                work()
    assert read(store, variant_of(OF)) == b"photo"
    assert store.shard_digests(VOLUME).keys() == {OF.shard}
    assert len(store.list_photo(VOLUME, OF.photo)) == 1


def test_a_silent_server_times_out(store, s3, monkeypatch):
    """Each try takes one time-out."""
    monkeypatch.setattr(opening, "RESPONSE_SECONDS", 0.1)
    node = node_over(s3.url, prefix=store.bucket.location.prefix)
    with (
        contextlib.closing(connect(node, threads=1)) as bucket,
        s3.failing(slow_seconds=0.5),
        pytest.raises(BucketUnavailable, match="is unreachable"),
    ):
        bucket.head(".node")


def test_a_slow_server_is_used(store, s3):
    """A server below its time-out causes no error."""
    with s3.failing(slow_seconds=0.05):
        put(store, variant_of(OF), b"photo")
        assert read(store, variant_of(OF)) == b"photo"


def test_a_broken_transfer_is_resumed(store, s3):
    """The next request starts at the first missing byte."""
    data = bytes_of("broken", size=300_000)
    put_whole(store, data)
    s3.requests.clear()
    with s3.failing(keep_bytes=100_000, times=2, applies=is_photo_read):
        assert read(store, variant_of(OF)) == data
    assert sum(is_photo_read(*each) for each in s3.requests) == 3


def put_whole(store, data):
    """Write a file in one request."""
    with store.staging(bytes_expected=0) as file:
        file.write(data)
        store.publish(file, variant_of(OF), mtime_seconds=MTIME, digest=digest_of(data))


def test_a_transfer_that_always_breaks_is_neither_whole_nor_corrupt(store, s3):
    """The stored object can be sound."""
    put_whole(store, bytes_of("broken", size=300_000))
    with (
        s3.failing(keep_bytes=0, applies=is_photo_read),
        pytest.raises(BucketUnavailable, match="failed at byte 0"),
    ):
        read(store, variant_of(OF))


def test_corrupt_bytes_are_never_returned(store, s3):
    """Every read compares the recorded digest."""
    put(store, variant_of(OF), b"photo")
    with s3.failing(flip=True, applies=is_photo_read), pytest.raises(Corrupt):
        read(store, variant_of(OF))


def test_bytes_that_are_corrupt_in_transit_are_not_quarantined(store, s3):
    """The object is read again, and quarantined only if it is corrupt twice."""
    put(store, variant_of(OF), b"photo")
    with contextlib.closing(store.open(variant_of(OF).path)) as file:
        inode = file.stat.inode
        with s3.failing(flip=True, times=1, applies=is_photo_read), pytest.raises(Corrupt):
            file.read()
    assert store.quarantine(variant_of(OF), inode=inode) is None
    assert read(store, variant_of(OF)) == b"photo"
    with s3.failing(flip=True, applies=is_photo_read):
        quarantined = store.quarantine(variant_of(OF), inode=inode)
    assert quarantined is not None
    with pytest.raises(NotFound):
        read(store, variant_of(OF))


def test_a_corrupt_object_is_replaced_by_the_right_bytes(store):
    """The corrupt bytes go to the quarantine."""
    put(store, variant_of(OF), b"photo")
    client, at = store.bucket._client, store.bucket._at(variant_of(OF).path)
    notes = client.head_object(**at)["Metadata"]
    client.put_object(**at, Body=b"other", Metadata=notes)
    again = put(store, variant_of(OF), b"photo", mtime_seconds=MTIME + 1)
    assert (again.existed, again.mtime_seconds) == (False, MTIME)
    assert read(store, variant_of(OF)) == b"photo"
    assert any(path.startswith(".quarantine/") for path in store.find(OF.photo))


def test_a_tombstone_that_is_written_during_a_put_wins(store, s3):
    """Also if another process writes it, without a common lock."""
    other = node_over(s3.target, prefix=store.bucket.location.prefix)

    def delete(method, path):
        if method == "PUT" and ".jpg" in path and not path.endswith("/copied"):
            with contextlib.closing(connect(other, threads=1)) as bucket:
                elsewhere = BucketStore(bucket, BucketHealth(lambda: None), PROOFS)
                write_tombstone(elsewhere, Place(VersionTombstone(OF)))
        return False

    with s3.failing(applies=delete), pytest.raises(Gone):
        put(store, variant_of(OF), b"photo")
    assert [file.name for file in store.list_photo(VOLUME, OF.photo)] == [
        f"{OF.photo}_{OF.version}.gone"
    ]


def test_a_delete_succeeds_if_its_files_cannot_be_moved_to_the_trash(store, s3):
    """The photo is refused at once, and its files follow when the trash works again."""
    put(store, variant_of(OF), b"photo")
    with s3.failing(
        status=403, code="AccessDenied", applies=lambda _, path: "/.trash/" in path
    ) as fault:
        write_tombstone(store, Place(VersionTombstone(OF)))
        assert fault.injected_count
        with pytest.raises(Gone):
            store.raise_if_deleted(variant_of(OF).file)
        store.finish_deletes()
        assert store.list_trash(VOLUME, OF.photo) == []
    store.finish_deletes()
    assert [file.name for file in store.list_photo(VOLUME, OF.photo)] == [
        f"{OF.photo}_{OF.version}.gone"
    ]
    assert len(store.list_trash(VOLUME, OF.photo)) == 1


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (403, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "AWS_ACCESS_KEY_ID"),
        (400, "ExpiredToken", "AWS_ACCESS_KEY_ID"),
        (403, "AccessDenied", "to get, put, delete, and list"),
        (404, "NoSuchBucket", "does not exist; create it"),
        (403, "RequestTimeTooSkewed", r"clock .* 2030-01-01T00:00:00Z; synchronize it with NTP"),
        (400, "AuthorizationHeaderMalformed", "set `region`"),
        (503, "SlowDown", "too busy"),
        (500, "InternalError", "500 InternalError"),
        (507, "InsufficientStorage", "full"),
    ],
)
def test_every_error_says_what_to_do(store, s3, status, code, advice):
    """A reader of the log needs no knowledge of S3."""
    with s3.failing(status=status, code=code), pytest.raises(NodeError, match=advice):
        put(store, variant_of(OF), b"photo")


def test_missing_credentials_are_reported_with_their_places(s3, monkeypatch, tmp_path):
    """The error comes before the node serves."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(BucketUnavailable, match="no credentials found; set AWS_ACCESS_KEY_ID"):
        marked_bucket(node_over(s3.target, prefix="unmarked"))


def test_a_prefix_without_a_marker_and_another_node_s_are_refused(s3):
    """An unmarked or foreign prefix is refused as an unmounted disk is."""
    node = node_over(s3.url, prefix="marked")
    with pytest.raises(RootRefused, match="glassplate node init cold-1"):
        contextlib.ExitStack().enter_context(opened_bucket(node, PROOFS, threads=1))
    uuid = marked_bucket(node).uuid
    assert marked_bucket(node).uuid == uuid
    other = dataclasses.replace(node, id="cold-2")
    with pytest.raises(RootRefused, match="id is 'cold-1', must be 'cold-2'"):
        marked_bucket(other)
    inner = node_over(s3.url, prefix="")
    with pytest.raises(RootRefused, match=r"no \.node marker; use a prefix without other objects"):
        marked_bucket(dataclasses.replace(inner, store="s3://photos"))


def test_a_bucket_without_its_marker_takes_no_writes(store):
    """Writes resume when the marker is back."""
    marker = [RootRefused("the marker is missing")]

    def read_marker():
        if marker:
            raise marker[0]

    health = BucketHealth(read_marker, clock=time.monotonic)
    health.probe()
    assert health.condition().suspect_reason == "the marker is missing"
    assert not health.is_intact
    lost = BucketStore(store.bucket, health, PROOFS)
    with pytest.raises(DiskSuspect):
        put(lost, variant_of(OF), b"photo")
    marker.clear()
    health.probe()
    assert health.condition().suspect_reason == ""
    assert not put(lost, variant_of(OF), b"photo").existed
