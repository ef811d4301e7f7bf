"""Hinted handoff: hints are delivered in order, and no copy is lost on the way."""

import asyncio

import pytest

from drill.cluster.tcp_proxy import Direction, Fault
from storagemaster.repair import hinted_handoff
from storagemaster.repair.hinted_handoff import ATTEMPTS_MAX, PASS_SECONDS
from storagenode.client import NodeClient
from storagenode.disk.store import DiskStore
from storagenode.protocol import wire
from storagenode.protocol.errors import NodeError
from storagenode.protocol.wire import Pull
from tests.free_ports import free_port
from tests.storagemaster.bundles_to_send import body_of, paths_of, sizes_of
from tests.storagemaster.pictures import long_picture, picture
from tests.storagemaster.small_cluster import HOST
from volumes.photo_path import PhotoTombstone, PhotoVersion, render_path, render_stem


async def upload_without_west_1(cluster, photo):
    """Upload a photo while west-1 is down, and return the path of its original."""
    await cluster.stop_and_notice("west-1")
    return (await cluster.master.upload(photo)).original


async def test_an_original_is_delivered_when_its_mirror_is_up(cluster):
    """Bytes and mtime are the same, the hint is removed, and the status counts it until then."""
    photo = long_picture(1_500_000)
    original = await upload_without_west_1(cluster, photo)
    await cluster.master.deliver_hints()
    assert cluster.holders(original) == {"east-1": photo, "west-2 for west-1": photo}
    await cluster.poll()
    assert (await cluster.master.request("GET", "/status")).document["pending_hints"] == 1
    await cluster.start("west-1")
    await cluster.master.deliver_hints()
    assert cluster.holders(original) == {"east-1": photo, "west-1": photo}
    times = {cluster.path(node, original).stat().st_mtime_ns for node in ("east-1", "west-1")}
    assert len(times) == 1
    assert cluster.mirrors_are_equal(1)
    await cluster.poll()
    assert (await cluster.master.request("GET", "/status")).document["pending_hints"] == 0


async def test_a_bundle_is_delivered(cluster):
    """Every size and the info arrive."""
    photo_version = (await cluster.master.upload(picture())).version
    await cluster.stop_and_notice("west-1")
    files = sizes_of(photo_version)
    await cluster.master.worker.put_bundle(photo_version, body_of(files), mtime_seconds=1)
    await cluster.start("west-1")
    await cluster.master.deliver_hints()
    assert set(paths_of(files)) < cluster.visible("west-1")
    assert cluster.hidden("west-2", ".hints") == set()
    assert cluster.mirrors_are_equal(1)


def mtimes(cluster, *nodes):
    """Return the mtime of each live file by node."""
    return [
        {path: cluster.path(node, path).stat().st_mtime for path in cluster.visible(node)}
        for node in nodes
    ]


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_delivered_files_have_the_mtime_of_the_other_mirror(cluster, is_deleted):
    """Original, sizes, info, and tombstone: an ETag is the same on each mirror."""
    await cluster.stop_and_notice("west-1")
    photo_version = (await cluster.master.upload(picture(), volume=1)).version
    body = body_of(sizes_of(photo_version))
    await cluster.master.worker.put_bundle(photo_version, body, mtime_seconds=1_600_000_000)
    if is_deleted:
        await cluster.master.delete(photo_version)
    await cluster.start("west-1")
    await cluster.master.deliver_hints()
    east, west = mtimes(cluster, "east-1", "west-1")
    assert east == west
    assert len(east) == 1 if is_deleted else len(east) > 2
    assert min(east.values()) >= 1_600_000_000


async def test_a_holder_that_cannot_list_its_hints_delays_no_other(cluster, monkeypatch):
    """The hints of the other holders are delivered."""
    await cluster.stop_and_notice("west-1", "east-2")
    for volume in (1, 2):
        await cluster.master.upload(picture(number=volume), volume=volume)
    await cluster.start_and_notice("west-1", "east-2")
    list_hints = NodeClient.list_hints

    async def fail_on_east(client, mirror):
        if client.url == f"http://{cluster.config.nodes['east-1'].write}":
            raise NodeError("the disk failed")
        return await list_hints(client, mirror)

    monkeypatch.setattr(NodeClient, "list_hints", fail_on_east)
    await cluster.master.hinted_handoff.deliver_all()
    assert cluster.mirrors_are_equal(1)
    monkeypatch.undo()
    await cluster.master.deliver_hints()
    assert cluster.mirrors_are_equal(2)


async def test_many_hints_are_delivered_in_one_pass(cluster):
    """No hint is left, and the mirrors are equal."""
    await cluster.stop_and_notice("west-1")
    for number in range(25):
        assert (await cluster.master.upload(picture(number=number))).status == 201
    await cluster.start("west-1")
    await cluster.master.fleet.poll()
    await cluster.master.hinted_handoff.deliver_all()
    assert cluster.hidden("west-2", ".hints") == set()
    assert cluster.mirrors_are_equal(1)


async def test_a_returning_colo_gets_all_its_hints(cluster):
    """The nodes of the other colo hold photos of both volumes."""
    await cluster.stop_and_notice("west-1", "west-2")
    for volume in (1, 2, 1, 2):
        response = await cluster.master.upload(picture(number=volume), volume=volume)
        assert response.document["durability"] == "degraded"
    await cluster.start("west-1", "west-2")
    await cluster.master.deliver_hints()
    assert all(cluster.mirrors_are_equal(number) for number in (1, 2))
    for node in cluster.stores:
        assert cluster.hidden(node, ".hints") == set()


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.RESET])
async def test_a_hint_is_removed_only_after_delivery(cluster, fault):
    """The mirror fails during the pull: the hint stays, and a later pass delivers it."""
    photo = long_picture(800_000)
    original = await upload_without_west_1(cluster, photo)
    await cluster.start_and_notice("west-1")
    # The mirror pulls through the link of the holder.
    cluster.links["west-2"].plan(fault, after_bytes=400_000, direction=Direction.CLIENT)
    await cluster.master.hinted_handoff.deliver_all()
    assert cluster.links["west-2"].fired.is_set()
    assert cluster.holders(original) == {"east-1": photo, "west-2 for west-1": photo}
    await cluster.master.deliver_hints()
    assert cluster.holders(original) == {"east-1": photo, "west-1": photo}


async def test_a_lost_response_leaves_the_hint_for_the_next_pass(cluster):
    """The mirror has the file. The next pass finds it there."""
    photo = picture()
    original = await upload_without_west_1(cluster, photo)
    await cluster.start_and_notice("west-1")
    cluster.links["west-1"].plan(Fault.RESET, after_bytes=1, direction=Direction.CLIENT)
    await cluster.master.hinted_handoff.deliver_all()
    assert cluster.links["west-1"].fired.is_set()
    assert len(cluster.holders(original)) == 3
    await cluster.master.deliver_hints()
    assert cluster.holders(original) == {"east-1": photo, "west-1": photo}


@pytest.mark.usefixtures("despair")
async def test_a_frozen_mirror_does_not_stop_other_deliveries(cluster):
    """The pass ends, and the hints for other mirrors are delivered."""
    await cluster.stop_and_notice("west-1", "west-2")
    for volume in (1, 2):
        await cluster.master.upload(picture(), volume=volume)
    await cluster.start_and_notice("west-1", "west-2")
    cluster.links["west-1"].freeze()
    async with asyncio.timeout(20):
        await cluster.master.hinted_handoff.deliver_all()
    assert cluster.mirrors_are_equal(2)
    assert not cluster.master.fleet.is_up("west-1")
    cluster.links["west-1"].unfreeze()
    await cluster.master.deliver_hints()
    assert cluster.mirrors_are_equal(1)


async def test_a_tombstone_is_delivered_before_the_copies_it_covers(cluster):
    """Another node holds the tombstone. The photo is never on the mirror, not even for a moment."""
    await cluster.stop_and_notice("east-1")
    photo_version = (await cluster.master.upload(picture())).version
    # More copies than go at once, all of them listed before the tombstone.
    sizes = sizes_of(photo_version, sizes=tuple("sqtmnwd"))
    await cluster.master.worker.put_bundle(photo_version, body_of(sizes), mtime_seconds=1)
    await cluster.stop_and_notice("east-2")
    await cluster.master.delete(photo_version)
    await cluster.start("east-1", "east-2")
    assert cluster.hidden("east-2", ".hints")
    assert cluster.hidden("west-2", ".hints")
    await cluster.master.deliver_hints()
    assert cluster.visible("east-1") == {
        render_path(PhotoTombstone(photo_version.volume, photo_version.photo))
    }
    assert cluster.hidden("east-1", ".trash") == set(), "the copy was there before its tombstone"
    for node in cluster.stores:
        assert cluster.hidden(node, ".hints") == set()


async def test_a_damaged_hint_is_not_delivered_and_delays_no_other(cluster):
    """It is retried a few times, and then left to reconciliation, which uses the other mirror."""
    await cluster.stop_and_notice("west-1")
    originals = [
        (await cluster.master.upload(picture(number=number))).original for number in range(6)
    ]
    damaged = min(originals)
    damage(cluster.path("west-2", f".hints/west-1/{damaged}"))
    await cluster.start("west-1")
    await cluster.master.deliver_hints()
    assert cluster.visible("west-1") == set(originals) - {damaged}
    for _ in range(ATTEMPTS_MAX):
        await cluster.master.hinted_handoff.deliver_all()
    tried = cluster.links["west-1"].bytes_passed[Direction.TARGET]
    await cluster.master.hinted_handoff.deliver_all()
    assert cluster.links["west-1"].bytes_passed[Direction.TARGET] == tried
    assert cluster.hidden("west-2", ".hints") == {f".hints/west-1/{damaged}"}
    await cluster.master.request("POST", "/repairs/1")
    assert cluster.mirrors_are_equal(1)


def damage(path):
    """Change a byte of a file without changing its recorded digest."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


async def test_a_conflict_with_the_mirror_keeps_the_hint(cluster):
    """The hint is the second copy of an acknowledged photo."""
    photo = picture()
    original = await upload_without_west_1(cluster, photo)
    await cluster.start("west-1")
    cluster.write("west-1", original, b"other bytes")
    await cluster.master.deliver_hints()
    assert cluster.holders(original) == {
        "east-1": photo,
        "west-1": b"other bytes",
        "west-2 for west-1": photo,
    }


async def test_delivery_to_a_full_mirror_is_retried(cluster):
    """A full disk is not a fault of the file, so the number of retries has no limit."""
    photo = picture()
    original = await upload_without_west_1(cluster, photo)
    await cluster.start("west-1")
    reserve = cluster.stores["west-1"].health.reserve
    cluster.fill("west-1", to_the_brim=True)
    for _ in range(ATTEMPTS_MAX + 1):
        await cluster.master.deliver_hints()
    assert cluster.holders(original) == {"east-1": photo, "west-2 for west-1": photo}
    cluster.stores["west-1"].health.reserve = reserve
    await cluster.master.deliver_hints()
    assert cluster.holders(original) == {"east-1": photo, "west-1": photo}


async def test_a_refused_tombstone_is_sent_again_after_a_growing_pause(cluster, monkeypatch):
    """The mirror has it in memory until its process ends; a new process gets it at once."""
    now, sent = [0.0], []
    write_tombstone = DiskStore.write_tombstone

    def recording(store, place, **fields):
        if store is cluster.stores["west-1"] and place.hint_for is None:
            sent.append(now[0])
        return write_tombstone(store, place, **fields)

    monkeypatch.setattr(DiskStore, "write_tombstone", recording)
    handoff = cluster.master.hinted_handoff
    handoff._clock = lambda: now[0]
    photo_version = (await cluster.master.upload(picture())).version
    cluster.mark_suspect("west-1")
    await cluster.poll()
    await cluster.master.delete(photo_version)
    await cluster.poll()
    while now[0] < 300:
        await handoff.deliver_all()
        now[0] += PASS_SECONDS
    assert sent == [0, 2, 6, 14, 30, 62, 122, 182, 242]
    await cluster.stop("west-1")
    await cluster.start_and_notice("west-1")
    await handoff.deliver_all()
    assert sent[-1] == 300
    assert cluster.visible("west-1") == {
        render_path(PhotoTombstone(photo_version.volume, photo_version.photo))
    }


async def test_delivery_over_a_broken_link_is_retried(cluster, monkeypatch):
    """Each pass makes one attempt for the link, and no hint is given up."""
    photos = [picture(number=number) for number in range(6)]
    await cluster.stop_and_notice("west-1")
    originals = [(await cluster.master.upload(photo)).original for photo in photos]
    await cluster.start("west-1")
    pulled, nowhere = [], f"http://{HOST}:{free_port()}"

    def from_nowhere(**fields):
        pulled.append(fields["place"])
        return Pull(**{**fields, "source": nowhere})

    with monkeypatch.context() as patch:
        patch.setattr(hinted_handoff, "Pull", from_nowhere)
        patch.setattr(hinted_handoff, "PULLS_AT_ONCE", 1)
        for _ in range(ATTEMPTS_MAX + 1):
            await cluster.master.deliver_hints()
    assert len(pulled) == ATTEMPTS_MAX + 1
    assert cluster.master.fleet.is_up("west-1")
    await cluster.master.deliver_hints()
    assert cluster.visible("west-1") == set(originals)
    assert cluster.hidden("west-2", ".hints") == set()


async def test_two_masters_can_deliver_concurrently(cluster):
    """Each hint is delivered once."""
    other = await cluster.another_master()
    await cluster.stop_and_notice("west-1")
    for number in range(12):
        await cluster.master.upload(picture(number=number))
    await cluster.start_and_notice("west-1")
    await asyncio.gather(
        cluster.master.hinted_handoff.deliver_all(), other.hinted_handoff.deliver_all()
    )
    assert cluster.hidden("west-2", ".hints") == set()
    assert cluster.mirrors_are_equal(1)


async def test_an_upload_to_a_returned_mirror_needs_no_hint(cluster):
    """New photos go to the mirror although older hints are pending."""
    await upload_without_west_1(cluster, picture())
    await cluster.start_and_notice("west-1")
    response = await cluster.master.upload(picture(number=1))
    assert (response.document["pending_mirrors"], response.nodes) == ([], ["east-1", "west-1"])


async def test_hinted_sizes_of_two_workers_are_not_mixed(cluster):
    """Two nodes hold different sizes for one mirror: it gets one complete set."""
    photo_version = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
    small, large, info = (
        f"{render_stem(photo_version)}_m.jpg",
        f"{render_stem(photo_version)}_h.jpg",
        f"{render_stem(photo_version)}.json",
    )
    for holder in ("east-1", "west-2"):
        for path in (small, large, info):
            cluster.write(holder, path, f"{path} by {holder}".encode(), hint_for="west-1")
    await cluster.master.deliver_hints()
    makers = {cluster.files("west-1")[path].rpartition(b" ")[2] for path in (small, large, info)}
    assert len(makers) == 1
    for holder in ("east-1", "west-2"):
        assert cluster.hidden(holder, ".hints") == set()


async def test_a_hinted_size_does_not_complete_sizes_of_another_worker(cluster):
    """The mirror's info does not describe it. Reconciliation copies the right one."""
    photo_version = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
    small, info = f"{render_stem(photo_version)}_m.jpg", f"{render_stem(photo_version)}.json"
    cluster.write("west-1", info, b"info of one")
    cluster.write("west-2", small, b"m of two", hint_for="west-1")
    cluster.write("west-2", info, b"info of two", hint_for="west-1")
    await cluster.master.deliver_hints()
    assert cluster.visible("west-1") == {info}
    assert cluster.hidden("west-2", ".hints") == set()


async def test_a_version_split_over_two_lists_is_delivered_whole(cluster, monkeypatch):
    """The next list contains the missing part, and the info waits for it."""
    for module in (wire, hinted_handoff):
        monkeypatch.setattr(module, "HINTS_PER_LIST_MAX", 5)
    photo_version = (await cluster.master.upload(picture())).version
    other = (await cluster.master.upload(picture(number=1))).version
    await cluster.stop_and_notice("west-1")
    for each in (photo_version, other):
        body = body_of(sizes_of(each))
        await cluster.master.worker.put_bundle(each, body, mtime_seconds=1)
    await cluster.start_and_notice("west-1")
    seen = []
    for _ in range(3):
        await cluster.master.hinted_handoff.deliver_all()
        seen.append(cluster.visible("west-1"))
    for each in (photo_version, other):
        paths = set(paths_of(sizes_of(each)))
        assert all(paths <= now or paths.isdisjoint(now) for now in seen)
        assert paths <= seen[-1]
    assert cluster.hidden("west-2", ".hints") == set()
