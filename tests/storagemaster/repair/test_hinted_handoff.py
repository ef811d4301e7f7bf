"""Owed work: what a fault left undone is brought home, in order, and nothing is lost on the way."""

import asyncio

import pytest

from drill.cluster.tcp_proxy import Direction, Fault
from storagemaster.repair import hinted_handoff
from storagemaster.repair.hinted_handoff import ATTEMPTS_MAX
from storagenode.protocol import wire
from storagenode.protocol.wire import Pull
from tests.free_ports import free_port
from tests.storagemaster.bundles_to_send import body_of, paths_of, sizes_of
from tests.storagemaster.pictures import long_picture, picture
from tests.storagemaster.small_cluster import HOST
from volumes.photo_path import PhotoTombstone, PhotoVersion, render_path, render_stem


async def owed_to_west_1(cluster, photo):
    """Upload while west-1 is down; the photo path of what is owed."""
    await cluster.stop_and_notice("west-1")
    return (await cluster.master.upload(photo)).original


async def test_an_original_goes_home(cluster):
    """Byte for byte and with its second; then nobody holds it for another any more."""
    photo = long_picture(1_500_000)
    original = await owed_to_west_1(cluster, photo)
    await cluster.start("west-1")
    await cluster.master.deliver_hints()
    assert cluster.holders(original) == {"east-1": photo, "west-1": photo}
    times = {cluster.path(node, original).stat().st_mtime_ns for node in ("east-1", "west-1")}
    assert len(times) == 1
    assert cluster.mirrors_are_equal(1)


async def test_a_bundle_goes_home(cluster):
    """Every size and the info."""
    photo_version = (await cluster.master.upload(picture())).version
    await cluster.stop_and_notice("west-1")
    files = sizes_of(photo_version)
    await cluster.master.worker.put_bundle(photo_version, body_of(files), mtime_seconds=1)
    await cluster.start("west-1")
    await cluster.master.deliver_hints()
    assert set(paths_of(files)) < cluster.visible("west-1")
    assert cluster.hidden("west-2", ".hints") == set()
    assert cluster.mirrors_are_equal(1)


async def test_many_files_go_home_in_one_pass(cluster):
    """However many there are, none is left, and the mirrors are equal."""
    await cluster.stop_and_notice("west-1")
    for number in range(25):
        assert (await cluster.master.upload(picture(number=number))).status == 201
    await cluster.start("west-1")
    await cluster.master.fleet.poll()
    assert await cluster.master.hinted_handoff.deliver_all() == 25
    assert cluster.hidden("west-2", ".hints") == set()
    assert cluster.mirrors_are_equal(1)


async def test_a_colo_that_returns_gets_all_of_it(cluster):
    """Photos of both volumes, from the nodes of the other colo."""
    await cluster.stop_and_notice("west-1", "west-2")
    for volume in (1, 2, 1, 2):
        answer = await cluster.master.upload(picture(number=volume), volume=volume)
        assert answer.document["durability"] == "degraded"
    await cluster.start("west-1", "west-2")
    await cluster.master.deliver_hints()
    assert all(cluster.mirrors_are_equal(number) for number in (1, 2))
    for node in cluster.stores:
        assert cluster.hidden(node, ".hints") == set()


async def test_nothing_is_asked_of_a_home_that_is_down(cluster):
    """What it is owed stays where it is."""
    photo = picture()
    original = await owed_to_west_1(cluster, photo)
    await cluster.master.deliver_hints()
    assert cluster.holders(original) == {"east-1": photo, "west-2 for west-1": photo}


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.RESET])
async def test_a_copy_is_let_go_only_when_the_home_has_it(cluster, fault):
    """The home is lost in the middle of the pull: the copy stays, and goes home later."""
    photo = long_picture(800_000)
    original = await owed_to_west_1(cluster, photo)
    await cluster.start_and_notice("west-1")
    # The home pulls through the link of the holder.
    cluster.links["west-2"].plan(fault, after_bytes=400_000, direction=Direction.CLIENT)
    await cluster.master.hinted_handoff.deliver_all()
    assert cluster.links["west-2"].fired.is_set()
    assert cluster.holders(original) == {"east-1": photo, "west-2 for west-1": photo}
    await cluster.master.deliver_hints()
    assert cluster.holders(original) == {"east-1": photo, "west-1": photo}


async def test_a_lost_answer_of_the_home_settles_later(cluster):
    """It has the file, and nobody was told: the next pass finds it there."""
    photo = picture()
    original = await owed_to_west_1(cluster, photo)
    await cluster.start_and_notice("west-1")
    cluster.links["west-1"].plan(Fault.RESET, after_bytes=1, direction=Direction.CLIENT)
    await cluster.master.hinted_handoff.deliver_all()
    assert cluster.links["west-1"].fired.is_set()
    assert len(cluster.holders(original)) == 3
    await cluster.master.deliver_hints()
    assert cluster.holders(original) == {"east-1": photo, "west-1": photo}


@pytest.mark.usefixtures("despair")
async def test_a_home_that_freezes_does_not_stop_the_others(cluster):
    """The pass ends, and what is owed to others went home in it."""
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


async def test_a_tombstone_goes_home_before_the_copy_it_covers(cluster):
    """Also when another node holds it: the photo is never there again, not even for a moment."""
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


async def test_a_damaged_copy_does_not_go_home(cluster):
    """It is not what was written, and the other mirror has what was."""
    photo = picture()
    original = await owed_to_west_1(cluster, photo)
    damage(cluster.path("west-2", f".hints/west-1/{original}"))
    await cluster.start("west-1")
    await cluster.master.deliver_hints()
    assert cluster.visible("west-1") == set()
    await cluster.master.request("POST", "/repairs/1")
    assert cluster.holders(original)["west-1"] == photo


async def test_a_damaged_copy_does_not_hold_up_the_others(cluster):
    """It is tried a few times, and then left to reconcile."""
    await cluster.stop_and_notice("west-1")
    originals = [
        (await cluster.master.upload(picture(number=number))).original for number in range(6)
    ]
    poison = min(originals)
    damage(cluster.path("west-2", f".hints/west-1/{poison}"))
    await cluster.start("west-1")
    await cluster.master.deliver_hints()
    assert cluster.visible("west-1") == set(originals) - {poison}
    for _ in range(ATTEMPTS_MAX):
        await cluster.master.hinted_handoff.deliver_all()
    tried = cluster.links["west-1"].bytes_passed[Direction.TARGET]
    await cluster.master.hinted_handoff.deliver_all()
    assert cluster.links["west-1"].bytes_passed[Direction.TARGET] == tried
    assert cluster.hidden("west-2", ".hints") == {f".hints/west-1/{poison}"}


def damage(path):
    """Change a byte of a file, and leave what is noted of it."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


async def test_other_bytes_at_home_do_not_settle_what_is_owed(cluster):
    """The copy is the second one of an acknowledged photo, and stays."""
    photo = picture()
    original = await owed_to_west_1(cluster, photo)
    await cluster.start("west-1")
    cluster.write("west-1", original, b"other bytes")
    await cluster.master.deliver_hints()
    assert cluster.holders(original) == {
        "east-1": photo,
        "west-1": b"other bytes",
        "west-2 for west-1": photo,
    }


async def test_a_home_without_room_is_asked_again(cluster):
    """A full disk is no fault of the file: it waits for room, however many passes that takes."""
    photo = picture()
    original = await owed_to_west_1(cluster, photo)
    await cluster.start("west-1")
    reserve = cluster.stores["west-1"].health.reserve
    cluster.fill("west-1", to_the_brim=True)
    for _ in range(ATTEMPTS_MAX + 1):
        await cluster.master.deliver_hints()
    assert cluster.holders(original) == {"east-1": photo, "west-2 for west-1": photo}
    cluster.stores["west-1"].health.reserve = reserve
    await cluster.master.deliver_hints()
    assert cluster.holders(original) == {"east-1": photo, "west-1": photo}


async def test_a_holder_that_its_home_cannot_reach_is_asked_again(cluster, monkeypatch):
    """A link that is cut says nothing of the files: one try a pass, and none is given up."""
    photos = [picture(number=number) for number in range(6)]
    await cluster.stop_and_notice("west-1")
    originals = [(await cluster.master.upload(photo)).original for photo in photos]
    await cluster.start("west-1")
    asked, nowhere = [], f"http://{HOST}:{free_port()}"

    def from_nowhere(**fields):
        asked.append(fields["place"])
        return Pull(**{**fields, "source": nowhere})

    with monkeypatch.context() as patch:
        patch.setattr(hinted_handoff, "Pull", from_nowhere)
        patch.setattr(hinted_handoff, "PULLS_AT_ONCE", 1)
        for _ in range(ATTEMPTS_MAX + 1):
            await cluster.master.deliver_hints()
    assert len(asked) == ATTEMPTS_MAX + 1
    assert cluster.master.fleet.is_up("west-1")
    await cluster.master.deliver_hints()
    assert cluster.visible("west-1") == set(originals)
    assert cluster.hidden("west-2", ".hints") == set()


async def test_two_masters_may_hand_over_at_once(cluster):
    """Whoever is faster, each file goes home once and nothing is left."""
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


async def test_an_upload_to_a_home_that_just_returned_needs_no_hand_over(cluster):
    """New photos go to the home itself, while what it missed is still on its way."""
    await owed_to_west_1(cluster, picture())
    await cluster.start_and_notice("west-1")
    answer = await cluster.master.upload(picture(number=1))
    assert (answer.document["pending_mirrors"], answer.nodes) == ([], ["east-1", "west-1"])


async def test_without_its_owed_work_a_volume_is_made_equal_all_the_same(cluster):
    """It is a shortcut: reconcile alone finds what a mirror has missed."""
    photo = picture()
    original = await owed_to_west_1(cluster, photo)
    cluster.path("west-2", f".hints/west-1/{original}").unlink()
    await cluster.start_and_notice("west-1")
    answer = await cluster.master.request("POST", "/repairs/1")
    assert answer.status == 200
    assert cluster.holders(original) == {"east-1": photo, "west-1": photo}
    assert cluster.mirrors_are_equal(1)


async def test_owed_work_is_counted_in_the_status(cluster):
    """Until it is done."""
    await owed_to_west_1(cluster, picture())
    await cluster.poll()
    assert (await cluster.master.request("GET", "/status")).document["pending_hints"] == 1
    await cluster.start("west-1")
    await cluster.master.deliver_hints()
    await cluster.poll()
    assert (await cluster.master.request("GET", "/status")).document["pending_hints"] == 0


async def test_sizes_of_two_makers_that_are_owed_are_not_mixed(cluster):
    """Two nodes hold others for one home: it takes those that come first, and only those."""
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
    at_home = {cluster.files("west-1")[path].rpartition(b" ")[2] for path in (small, large, info)}
    assert len(at_home) == 1
    for holder in ("east-1", "west-2"):
        assert cluster.hidden(holder, ".hints") == set()


async def test_a_size_that_is_owed_does_not_stand_in_for_one_of_another_maker(cluster):
    """The home's info does not tell of it; reconcile brings the right one."""
    photo_version = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
    small, info = f"{render_stem(photo_version)}_m.jpg", f"{render_stem(photo_version)}.json"
    cluster.write("west-1", info, b"info of one")
    cluster.write("west-2", small, b"m of two", hint_for="west-1")
    cluster.write("west-2", info, b"info of two", hint_for="west-1")
    await cluster.master.deliver_hints()
    assert cluster.visible("west-1") == {info}
    assert cluster.hidden("west-2", ".hints") == set()


async def test_a_list_that_ends_within_a_version_brings_it_home_whole(cluster, monkeypatch):
    """What is left of it is in the next list, and the info waits for it."""
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
