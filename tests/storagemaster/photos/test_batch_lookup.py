"""Batches of photos in one request: with memcached, without it, and with a corrupt one."""

import signal

import pytest

from storagemaster import wire
from storagemaster.caches import memcached as memcached_client
from storagemaster.photos.batch_lookup import InfoSource, locate_infos
from storagenode.write_port.repair_api import RepairApi
from storagenode.write_port.write_api import WriteApi
from tests.free_ports import free_port
from tests.storagemaster.bundles_to_send import body_of, failure_of, sizes_of, with_info
from tests.storagemaster.memcached_servers import running_memcached
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import HOST, MIRRORS
from volumes.address import Address
from volumes.cluster import Limits
from volumes.photo_path import (
    Info,
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    render_stem,
)

NEVER = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
NO_VOLUME = PhotoVersion(9, "01jd3x8m2c9qp4k7", "3fz8qd")


@pytest.fixture(name="calls")
def _calls(monkeypatch):
    """Return the requests to nodes during the test, by the name of their route."""
    calls = []
    for owner, name in (
        (WriteApi, "digests"),
        (WriteApi, "send_infos"),
        (RepairApi, "list_photo"),
        (WriteApi, "send_file"),
    ):
        handle = getattr(owner, name)

        async def recording(self, request, body, name=name, handle=handle):
            calls.append(name)
            return await handle(self, request, body)

        monkeypatch.setattr(owner, name, recording)
    return calls


@pytest.fixture(name="patient_cache", autouse=True)
def _patient_cache(monkeypatch):
    """Return a timeout with which a slow machine does not cause a miss."""
    monkeypatch.setattr(memcached_client, "RESPONSE_SECONDS", 10.0)


@pytest.fixture(name="memcached")
def _memcached():
    """Return a memcached of this test: its process and its address."""
    port = free_port()
    with running_memcached(port) as process:
        yield process, Address(HOST, port)


async def ready_photos(cluster, count):
    """Return `count` photos with sizes, in both volumes."""
    photos = []
    for number in range(count):
        photo_version = (
            await cluster.master.upload(picture(number=number), volume=1 + number % 2)
        ).version
        body = body_of(with_info(photo_version, color=f"#{number:06x}"))
        await cluster.master.worker.put_bundle(photo_version, body, mtime_seconds=1)
        photos.append(photo_version)
    return photos


async def batch_of(cluster, photos):
    """Return the entries of a batch."""
    answer = await cluster.master.request(
        "POST", wire.LOOKUP.path(), data=wire.render_batch_request(photos)
    )
    assert answer.status == 200, answer.document
    return answer.document["photos"]


def states_of(batch):
    """Return the states of a batch's entries."""
    return [entry["state"] for entry in batch]


async def one_by_one(cluster, photos):
    """Return the status document of each photo."""
    return [(await cluster.master.photo(photo_version)).document for photo_version in photos]


async def test_batch_has_the_status_documents_of_the_photos(cluster_with, memcached, calls):
    """No node gets a request if memcached has the infos."""
    _, address = memcached
    cluster = await cluster_with(memcached=(address,))
    photos = await ready_photos(cluster, 6)
    truth = await one_by_one(cluster, photos)
    calls.clear()
    assert await batch_of(cluster, photos) == truth
    assert calls == []


async def test_infos_older_than_the_bound_are_compared_with_the_nodes(
    cluster_with, memcached, calls
):
    """Each node gets one request, and sends only digests."""
    _, address = memcached
    cluster = await cluster_with(memcached=(address,), limits=Limits(cached_info_seconds=0))
    photos = await ready_photos(cluster, 6)
    truth = await one_by_one(cluster, photos)
    calls.clear()
    assert await batch_of(cluster, photos) == truth
    assert calls == ["digests"] * 4


async def test_infos_missing_in_memcached_are_read_and_cached(cluster_with, memcached, calls):
    """Nodes get requests for the infos and then for the originals, and none the next time."""
    process, address = memcached
    cluster = await cluster_with(memcached=(address,))
    photos = await ready_photos(cluster, 6)
    process.kill()
    process.wait()
    with running_memcached(address.port):
        calls.clear()
        first = await batch_of(cluster, photos)
        assert sorted(calls) == ["digests"] * 8 + ["send_infos"] * 2
        calls.clear()
        assert await batch_of(cluster, photos) == first
        assert calls == []


async def test_batch_works_without_memcached(cluster_with, calls):
    """Its address refuses connections."""
    cluster = await cluster_with(memcached=(Address(HOST, free_port()),))
    photos = await ready_photos(cluster, 4)
    truth = await one_by_one(cluster, photos)
    calls.clear()
    assert await batch_of(cluster, photos) == truth
    assert sorted(calls) == ["digests"] * 8 + ["send_infos"] * 2


async def test_memcached_that_hangs_only_costs_time(cluster_with, memcached, monkeypatch):
    """It accepts connections and does not respond."""
    monkeypatch.setattr(memcached_client, "RESPONSE_SECONDS", 0.2)
    process, address = memcached
    cluster = await cluster_with(memcached=(address,))
    photos = await ready_photos(cluster, 2)
    process.send_signal(signal.SIGSTOP)
    assert states_of(await batch_of(cluster, photos)) == ["ready", "ready"]


async def test_deleted_photo_is_gone_despite_its_cached_info(cluster_with, memcached):
    """Memcached was down during the delete. After the bound, the nodes decide."""
    process, address = memcached
    cluster = await cluster_with(memcached=(address,), limits=Limits(cached_info_seconds=0))
    deleted, other = await ready_photos(cluster, 2)
    process.send_signal(signal.SIGSTOP)
    with pytest.MonkeyPatch.context() as patch:
        # The first client has a long timeout; this storagemaster gets one with a short timeout.
        patch.setattr(memcached_client, "RESPONSE_SECONDS", 0.2)
        hasty = await cluster.another_master("hasty", colo="east")
        await hasty.delete(deleted)
    process.send_signal(signal.SIGCONT)
    assert states_of(await batch_of(cluster, [deleted, other])) == ["gone", "ready"]


async def test_each_photo_of_a_batch_has_its_own_state(cluster):
    """Entries are in the order of the request, with repetitions."""
    ready, gone = await ready_photos(cluster, 2)
    await cluster.master.delete(gone)
    pending = (await cluster.master.upload(picture(number=7))).version
    failed = (await cluster.master.upload(picture(number=8))).version
    await cluster.master.worker.put_bundle(
        failed, body_of(failure_of(failed, "too dark")), mtime_seconds=1
    )
    batch = await batch_of(cluster, [ready, gone, pending, failed, NEVER, NO_VOLUME, ready])
    assert states_of(batch) == ["ready", "gone", "pending", "failed", "unknown", "unknown", "ready"]
    assert batch[0] == batch[-1]
    assert batch[3]["reason"] == "too dark"
    assert all(entry["reason"] for entry in (batch[1], batch[4], batch[5]))


async def test_version_with_a_tombstone_on_one_mirror_is_gone(cluster):
    """A tombstone on any mirror decides."""
    (photo_version,) = await ready_photos(cluster, 1)
    await cluster.stop_and_notice("west-1")
    await cluster.master.delete_version(photo_version)
    await cluster.start_and_notice("west-1")
    assert states_of(await batch_of(cluster, [photo_version])) == ["gone"]


async def test_missing_photo_is_unavailable_while_a_colo_is_down(cluster):
    """The colo that is down can have it; other photos are ready."""
    photos = await ready_photos(cluster, 2)
    await cluster.stop_and_notice("east-1", "east-2")
    batch = await batch_of(cluster, [*photos, NEVER])
    assert states_of(batch) == ["ready", "ready", "unavailable"]


async def test_damaged_info_is_read_from_the_other_mirror(cluster):
    """The photo is ready although the nearest node's info is damaged."""
    (photo_version,) = await ready_photos(cluster, 1)
    info = cluster.path(
        "east-1", f"1/{photo_version.shard}/{photo_version.photo}_{photo_version.version}.json"
    )
    info.chmod(0o644)
    info.write_bytes(b"damaged beyond reading")
    (entry,) = await batch_of(cluster, [photo_version])
    assert (entry["state"], entry["info"]["color"]) == ("ready", "#000000")


async def test_incomplete_info_is_completed_from_the_listing(cluster):
    """The info lacks the format of the original."""
    photo_version = (await cluster.master.upload(picture())).version
    await cluster.master.worker.put_bundle(
        photo_version, body_of(sizes_of(photo_version)), mtime_seconds=1
    )
    assert await batch_of(cluster, [photo_version]) == await one_by_one(cluster, [photo_version])


@pytest.mark.parametrize("cached", [True, False])
async def test_photo_without_an_original_is_not_ready(cluster_with, memcached, cached):
    """An info alone proves nothing: the batch agrees with the status of the single photo."""
    cluster = await cluster_with(
        memcached=(memcached[1],) if cached else (), limits=Limits(cached_info_seconds=0)
    )
    lost, kept = (await ready_photos(cluster, 3))[::2]
    await batch_of(cluster, [lost, kept])
    for node in MIRRORS[1]:
        cluster.path(node, f"{render_stem(lost)}_o.jpg").unlink()
    assert states_of(await batch_of(cluster, [lost, kept])) == ["unknown", "ready"]
    assert (await cluster.master.photo(lost)).status == 404


async def test_photo_whose_original_is_unreachable_is_unavailable(cluster):
    """The mirror that is down can have the original."""
    (photo_version,) = await ready_photos(cluster, 1)
    cluster.path("east-1", f"{render_stem(photo_version)}_o.jpg").unlink()
    assert states_of(await batch_of(cluster, [photo_version])) == ["ready"]
    await cluster.stop_and_notice("west-1")
    assert states_of(await batch_of(cluster, [photo_version])) == ["unavailable"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"[]", "VOLUME/PHOTO/VERSION"),
        (b'{"photos": [1]}', "VOLUME/PHOTO/VERSION"),
        (b'{"photos": ["1/01jd3x8m2c9qp4k7"]}', "1/01jd3x8m2c9qp4k7"),
        (wire.render_batch_request([NEVER] * 501), "too many photos: 501"),
    ],
)
async def test_malformed_request_gets_the_reason(cluster, body, words):
    """The detail states what the body must be."""
    answer = await cluster.master.request("POST", wire.LOOKUP.path(), data=body)
    assert answer.status == 400
    assert words in answer.document["detail"]


async def test_too_long_a_request_is_refused(cluster):
    """Its limit is far above what the largest batch needs."""
    body = b" " * (wire.BATCH_REQUEST_BYTES_MAX + 1)
    answer = await cluster.master.request("POST", wire.LOOKUP.path(), data=body)
    assert answer.status == 413
    assert "longer than" in answer.document["detail"]


async def test_batch_needs_a_token(cluster):
    """The response without one is 401."""
    answer = await cluster.master.request(
        "POST", wire.LOOKUP.path(), data=b"{}", headers={"Authorization": ""}
    )
    assert answer.status == 401


def test_only_infos_with_a_digest_and_without_tombstone_are_located():
    """Any mirror can have the tombstone."""
    ready, gone, dead = (PhotoVersion(1, "01jd3x8m2c9qp4k7", f"00000{n}") for n in "123")
    unsure = PhotoVersion(1, "01jd3x8m2c9qp4k0", "000001")
    deleted = PhotoVersion(2, "01jd3x8m2c9qp4k8", "000001")
    results = {
        "east-1": {Info(ready): "aa", Info(gone): "bb", Info(deleted): "cc", Info(unsure): ""},
        "west-1": {
            Info(ready): "aa",
            VersionTombstone(gone): "tt",
            PhotoTombstone(deleted.volume, deleted.photo): "tt",
        },
    }
    located = locate_infos([ready, gone, dead, deleted, unsure], results)
    assert located == {ready: InfoSource("aa", ("east-1", "west-1"))}
