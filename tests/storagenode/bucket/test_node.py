"""A node over a bucket behaves on both ports as one over a disk."""

import os
import threading
import time
from itertools import count
from pathlib import Path

import pytest

from drill.cluster.faulty_s3_proxy import is_photo_read, running_faulty_s3_proxy
from storagenode.bucket import opening, reading
from storagenode.protocol import wire
from storagenode.protocol.errors import (
    BadRequest,
    BucketUnavailable,
    Conflict,
    Corrupt,
    Gone,
    NotFound,
)
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import BundledFile, Pull
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bundle_of,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.served_site import chunked, make_site, serving
from volumes.photo_path import Info, VersionTombstone

DATA = bytes_of("photo", size=1000)
LARGE = bytes_of("large", size=9_000_000)


@pytest.fixture(name="s3", scope="module", params=["moto", "seaweed"])
def _s3(request):
    """Provide either server behind a proxy that injects faults."""
    with running_faulty_s3_proxy(request.getfixturevalue(request.param)) as proxy:
        yield proxy


@pytest.fixture(name="site_nodes", scope="module")
def _site_nodes(s3, tmp_path_factory):
    """Run the east over a disk and the west over a bucket, with short time-outs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "RESPONSE_SECONDS", 20.0)
        patch.setattr(reading, "PAUSE_SECONDS", 0.001)
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
        store = f'"s3://photos/node-{os.getpid()}"\nendpoint = "{s3.url}"\nregion = "us-east-1"'
        site = make_site(tmp_path_factory.mktemp("site"), west_store=store)
        with serving(site, ["east-1", "west-1"]) as nodes:
            yield nodes


@pytest.fixture(name="disk", scope="module")
def _disk(site_nodes):
    return site_nodes["east-1"]


@pytest.fixture(name="node", scope="module")
def _node(site_nodes):
    return site_nodes["west-1"]


@pytest.fixture(name="place")
def _place(photo_version):
    return variant_of(photo_version)


def test_a_bucket_is_scrubbed_only_on_request(node, place):
    """Reads of a bucket cost money."""
    node.put(place, DATA)
    assert node.run(node.client.scrub())["completed_seconds"] == 0
    node.run(node.client.scrub(start=True))
    wait_until(lambda: node.run(node.client.scrub())["completed_seconds"])
    found = node.run(node.client.scrub())
    assert found["files"] > 0
    assert found["corrupt"] == []


def test_a_photo_is_put_fetched_and_listed(node, place):
    """Other bytes are a conflict, and the same bytes are not."""
    assert not node.put(place, DATA).existed
    assert node.put(place, DATA).existed
    with pytest.raises(Conflict):
        node.put(place, b"other")
    fetched = node.run(node.client.fetch(place))
    assert (fetched.data, fetched.metadata.mtime_seconds) == (DATA, MTIME)
    assert node.run(node.client.stat(place)).digest == digest_of(DATA)
    (listed,) = node.run(node.client.list_photo(VOLUME, place.file.photo_version.photo))
    assert (listed.bytes, listed.digest) == (1000, digest_of(DATA))
    assert place.file.photo_version.shard in node.run(node.client.shard_digests(VOLUME))


@pytest.mark.parametrize("size", [0, 1, 64, 1_048_576 + 64, 9_000_000])
def test_bodies_of_every_length_arrive_whole(node, place, size):
    """In one request or in parts."""
    data = bytes_of("length", size=size)
    body = chunked(data)
    node.run(node.client.put(place, body, mtime_seconds=MTIME, bytes_total=None))
    assert node.run(node.client.fetch(place)).data == data


def test_both_mirrors_respond_to_a_browser_in_the_same_way(disk, node, place):
    """To full, range, conditional, and HEAD requests."""
    for each in (disk, node):
        each.put(place, LARGE)
    url = node.url(place.file)
    etag = node.read(url).headers["ETag"]
    for method in ("GET", "HEAD"):
        for headers in (
            {},
            {"Range": "bytes=8999990-"},
            {"Range": "bytes=10-19", "If-Range": etag},
            {"If-None-Match": etag},
            {"If-Match": '"other"'},
            {"Range": "bytes=9000000-"},
        ):
            responses = [each.read(url, headers, method=method) for each in (disk, node)]
            for response in responses:
                del response.headers["Date"]
            assert responses[0] == responses[1], (method, headers)


def test_a_photo_is_fetched_once_and_a_condition_costs_no_bytes(node, s3, place):
    """A GET fetches the object once; a HEAD and a 304 fetch only metadata."""
    node.put(place, LARGE)
    url = node.url(place.file)
    s3.requests.clear()
    whole = node.read(url)
    assert whole.body == LARGE
    assert sum(is_photo_read(*each) for each in s3.requests) == 1
    s3.requests.clear()
    since = {"If-Modified-Since": whole.headers["Last-Modified"]}
    assert node.read(url, since).status == 304
    assert not any(is_photo_read(*each) for each in s3.requests)


def test_missing_and_deleted_photos_are_reported(node, photo_version, place):
    """As 404 and 410, and by name to the cluster."""
    url = node.url(place.file)
    assert node.read(url).status == 404
    with pytest.raises(NotFound):
        node.run(node.client.fetch(place))
    node.put(place, DATA)
    for _ in range(2):
        node.run(
            node.client.write_tombstone(Place(VersionTombstone(photo_version)), mtime_seconds=MTIME)
        )
    assert node.read(url).status == 410
    with pytest.raises(Gone):
        node.put(place, DATA)
    (trashed,) = node.run(node.client.list_trash(VOLUME, photo_version.photo))
    assert (trashed.bytes, trashed.digest) == (1000, digest_of(DATA))

    async def read():
        async with node.client.stream_trashed(trashed) as stream:
            return b"".join([chunk async for chunk in stream.chunks])

    assert node.run(read()) == DATA


def test_no_response_reveals_the_bucket(node, place):
    """Neither its name nor any of its URLs."""
    node.put(place, DATA)
    for target in (node.url(place.file), node.url(variant_of(version_of(999), "m").file)):
        response = node.read(target)
        sent = str(response.headers) + response.body.decode("latin-1") * (response.status != 200)
        for word in ("amz", "amazon", "s3", "photos/"):
            assert word not in sent.lower()


def test_corrupt_bytes_are_502_and_an_unreachable_bucket_503(node, s3, place):
    """The edge then uses the other mirror."""
    node.put(place, DATA)
    url = node.url(place.file)
    with s3.failing(flip=True, times=1, applies=is_photo_read):
        assert node.read(url).status == 502
    with s3.failing(keep_bytes=10, times=1, applies=is_photo_read):
        assert node.read(url).body == DATA
    for how in ({"hang_up": True}, {"status": 503, "code": "SlowDown"}):
        with s3.failing(**how):
            assert node.read(url).status == 503
            with pytest.raises(BucketUnavailable):
                node.put(variant_of(place.file.photo_version, "z"), DATA)
    assert node.read(url).body == DATA


def test_a_large_photo_that_always_breaks_is_never_sent_in_part(node, s3, place):
    """It is verified before its first byte is sent."""
    node.put(place, LARGE)
    with s3.failing(keep_bytes=1000, applies=is_photo_read):
        assert node.read(node.url(place.file)).status == 503


def test_a_slow_bucket_does_not_block_other_requests(node, s3, place):
    """A status is returned while many bucket requests are pending."""
    node.put(place, DATA)
    url = node.url(place.file)
    with s3.failing(slow_seconds=0.4):
        readers = [threading.Thread(target=node.read, args=(url,)) for _ in range(6)]
        for reader in readers:
            reader.start()
        wait_until(lambda: s3.in_flight >= 6)
        assert node.run(node.client.status(timeout_seconds=0.4)).node == "west-1"
        assert node.read("/healthz").status == 200
        for reader in readers:
            reader.join()


def test_files_are_copied_from_disk_to_bucket_and_back(disk, node, photo_version, place):
    """Small and large ones."""
    for source, target, name, data in (
        (disk, node, "m", DATA),
        (disk, node, "z", LARGE),
        (node, disk, "k", DATA),
        (node, disk, "h", LARGE),
    ):
        held = variant_of(photo_version, name)
        source.put(held, data)
        pull = Pull(
            place=held,
            source_node=source.node.id,
            source=source.client.url,
            source_place=held,
            digest=digest_of(data),
        )
        assert target.run(target.client.pull(pull)).digest == digest_of(data)
        assert target.run(target.client.fetch(held)).data == data
    shard = photo_version.shard
    digests = [each.run(each.client.shard_digests(VOLUME))[shard] for each in (disk, node)]
    assert digests[0] == digests[1]
    del place


def test_a_copy_that_is_corrupt_in_transit_is_not_published(disk, node, s3, place):
    """The pulling node compares the digest."""
    node.put(place, DATA)
    pull = Pull(
        place=place,
        source_node=node.node.id,
        source=node.client.url,
        source_place=place,
        digest=digest_of(DATA),
    )
    with s3.failing(flip=True, applies=is_photo_read), pytest.raises(Exception, match="SHA-256"):
        disk.run(disk.client.pull(pull))
    with pytest.raises(NotFound):
        disk.run(disk.client.stat(place))


def test_a_bundle_is_published_and_relinked(node, photo_version):
    """The info comes last, and the server copies every object."""
    files = bundle_of(photo_version, sizes="osm")
    body = wire.render_bundle(BundledFile(p.path, digest, data) for p, data, digest in files)
    node.run(node.client.put_bundle(photo_version, body, hint_for=None, mtime_seconds=MTIME))
    assert node.run(node.client.stat(Place(Info(photo_version)))).size_bytes > 0
    paths = node.run(node.client.relink(photo_version, "zzzzzz"))
    assert len(paths) == 4
    with pytest.raises(BadRequest):
        node.run(
            node.client.put_bundle(photo_version, b"noise", hint_for=None, mtime_seconds=MTIME)
        )


def test_hints_are_stored_and_removed(node, photo_version):
    """A node over a bucket can be a handoff node."""
    held = variant_of(photo_version, hint_for="east-1")
    node.put(held, DATA)
    assert node.run(node.client.status()).hints == 1
    (hint,) = node.run(node.client.list_hints("east-1"))
    assert (hint.place, hint.digest) == (held, digest_of(DATA))
    node.run(node.client.remove_hint(held))
    assert node.run(node.client.status()).hints == 0


def test_a_corrupt_object_is_quarantined_by_its_reader(node, place):
    """After a second read that is corrupt as well."""
    node.put(place, DATA)
    bucket = node.store.bucket
    at = bucket._at(place.path)
    notes = bucket._client.head_object(**at)["Metadata"]
    bucket._client.put_object(**at, Body=b"x" * 1000, Metadata=notes)
    with pytest.raises(Corrupt):
        node.run(node.client.fetch(place))
    assert node.read(node.url(place.file)).status == 502
    assert node.read(node.url(place.file)).status == 404
    assert not node.put(place, DATA).existed


def test_a_node_reports_that_its_bucket_is_down_and_that_it_is_back(node, s3, monkeypatch):
    """Without a restart."""
    monkeypatch.setattr("storagenode.bucket.health.PROBE_SECONDS", 0.0)
    with s3.failing(hang_up=True):
        wait_until(lambda: "is unreachable" in status_of(node).suspect_reason)
        assert not status_of(node).accepts_new_photos
    wait_until(lambda: status_of(node).suspect_reason == "")


def status_of(node):
    """Return the node's status."""
    return node.run(node.client.status())


def wait_until(is_so):
    """Wait for the effect of a background probe."""
    for turn in count():
        if is_so():
            return
        assert turn < 1000
        time.sleep(0.01)


def test_nothing_stays_on_the_disk_of_a_node_over_a_bucket(site_nodes):
    """All files are in the bucket."""
    folder = Path(site_nodes["east-1"].site.config).parent
    assert sorted(entry.name for entry in folder.iterdir()) == [
        "cluster.toml",
        "east-1",
        "keys.toml",
    ]
