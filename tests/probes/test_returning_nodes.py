"""A node that returns, after any time and with any disk, brings nothing back."""

import shutil

from storagenode.upkeep import fence
from tests.storagemaster.pictures import picture


async def deleted_without(cluster, node):
    """The path of a photo that was kept on both mirrors and deleted while one was away."""
    answer = await cluster.upload()
    await cluster.stop_and_notice(node)
    assert (await cluster.master.delete(answer.version)).status == 200
    return answer.original


async def test_a_node_that_returns_sends_nothing_deleted_not_even_for_a_moment(cluster):
    """It has the bytes, and no tombstone: 503 sends the edge to the mirror that knows."""
    path = await deleted_without(cluster, "west-1")
    await cluster.start("west-1")
    assert cluster.path("west-1", path).exists()
    assert (await cluster.read(path, at="west-1")).status == 503
    await cluster.poll()
    assert await cluster.master.fence_lifter.lift_fences() >= 0
    assert (await cluster.read(path, at="west-1")).status == 410


async def test_a_returned_node_is_fenced_until_what_it_is_owed_is_home(cluster):
    """Or it would say 404 to a photo that was acknowledged without it."""
    await cluster.stop_and_notice("west-1")
    path = await cluster.keep(picture(number=2))
    await cluster.start_and_notice("west-1")
    assert await cluster.master.fence_lifter.lift_fences() == 0
    assert (await cluster.read(path, at="west-1")).status == 503
    await cluster.catch_up()
    assert (await cluster.read(path, at="west-1")).status == 200


async def test_an_old_backup_of_a_disk_brings_nothing_back(cluster, tmp_path):
    """All that was deleted since it was made stays deleted, and is never sent."""
    answers = [await cluster.upload(picture(number=number)) for number in range(5)]
    shutil.copytree(cluster.root("west-1") / "1", tmp_path / "1", symlinks=True)
    for answer in answers:
        await cluster.master.delete(answer.version)
    await cluster.stop("west-1")
    shutil.rmtree(cluster.root("west-1") / "1")
    shutil.copytree(tmp_path / "1", cluster.root("west-1") / "1", symlinks=True)
    await cluster.start("west-1")
    assert {(await cluster.read(a.original, at="west-1")).status for a in answers} == {503}
    await cluster.catch_up()
    assert {(await cluster.read(a.original, at="west-1")).status for a in answers} == {410}
    await cluster.mend()
    assert cluster.equal(1)


async def test_with_the_other_mirror_away_the_fence_stays(cluster):
    """Nobody can say what was deleted; it falls by itself, and that is tested with a clock."""
    path = await cluster.keep()
    await cluster.stop_and_notice("east-1", "west-1")
    await cluster.start_and_notice("west-1")
    assert await cluster.master.fence_lifter.lift_fences() == 0
    assert (await cluster.read(path, at="west-1")).status == 503


async def test_a_fence_that_nobody_can_lift_falls(cluster, monkeypatch):
    """A colo that comes back alone serves its photos."""
    path = await cluster.keep()
    await cluster.stop_and_notice("east-1", "west-1")
    monkeypatch.setattr(fence, "FENCE_SECONDS_MAX", 0.0)
    await cluster.start_and_notice("west-1")
    assert (await cluster.read(path)).status == 200


async def test_when_all_nodes_lose_power_at_once_one_pass_opens_them_all(cluster):
    """Every mirror of every volume is fenced, and no operator is needed."""
    paths = [await cluster.keep(volume=volume) for volume in (1, 2)]
    await cluster.stop(*cluster.stores)
    await cluster.start(*cluster.stores)
    assert {(await cluster.read(path)).status for path in paths} == {503}
    await cluster.poll()
    assert await cluster.master.fence_lifter.lift_fences() == 4
    assert [(await cluster.read(path)).status for path in paths] == [200, 200]


async def test_tombstones_go_both_ways_between_two_nodes_that_were_away(cluster):
    """Each has heard of a delete that the other has missed."""
    first, second = [await cluster.upload(picture(number=number)) for number in range(2)]
    await cluster.stop_and_notice("west-1")
    await cluster.master.delete(first.version)
    await cluster.start_and_notice("west-1")
    await cluster.stop_and_notice("east-1")
    await cluster.master.delete(second.version)
    await cluster.stop("west-1")
    await cluster.start_and_notice("east-1", "west-1")
    await cluster.master.fence_lifter.lift_fences()
    for node in ("east-1", "west-1"):
        for answer in (first, second):
            assert (await cluster.read(answer.original, at=node)).status == 410


async def test_a_node_that_starts_again_in_between_is_fenced_anew(cluster):
    """What a storagemaster heard before the second start lifts nothing."""
    path = await cluster.keep()
    await cluster.stop("west-1")
    await cluster.start_and_notice("west-1")
    await cluster.stop("west-1")
    await cluster.start("west-1")
    await cluster.master.fence_lifter.lift_fences()
    assert (await cluster.read(path, at="west-1")).status == 503
    await cluster.catch_up()
    assert (await cluster.read(path, at="west-1")).status == 200


async def test_two_storagemasters_may_lift_a_fence_at_once(cluster):
    """And one that comes late does no harm."""
    path = await cluster.keep()
    other = await cluster.another_master()
    await cluster.stop("west-1")
    await cluster.start_and_notice("west-1")
    await cluster.master.fence_lifter.lift_fences()
    await other.fence_lifter.lift_fences()
    assert (await cluster.read(path, at="west-1")).status == 200


async def test_a_fenced_node_gives_other_nodes_what_they_lack(cluster):
    """Repair goes on: only readers are held back."""
    path = await cluster.keep()
    await cluster.stop("west-1", "east-1")
    cluster.path("east-1", path).unlink()
    await cluster.start_and_notice("west-1", "east-1")
    await cluster.repair(1)
    assert cluster.holders(path).keys() == {"east-1", "west-1"}


async def test_a_node_that_was_away_for_many_deletes_is_open_after_one_pass(cluster):
    """One listing a mirror, then only what is missing."""
    paths = [f"1/k7/01jd3x8m2c9q{number:02d}k7_3fz8qd_o.jpg" for number in range(40)]
    for path in paths:
        for node in ("east-1", "west-1"):
            cluster.write(node, path, path.encode())
    await cluster.stop_and_notice("west-1")
    for path in paths:
        photo = path.split("/")[2][:16]
        answer = await cluster.master.request("DELETE", f"/photos/1/{photo}")
        assert answer.status == 200
    await cluster.start("west-1")
    await cluster.poll()
    await cluster.master.fence_lifter.lift_fences()
    assert {(await cluster.read(path, at="west-1")).status for path in paths} == {410}


async def test_a_burial_that_both_mirrors_left_unfinished_is_finished(cluster):
    """After a power failure both have the tombstone and the file: equal, and not well."""
    answer = await cluster.upload()
    data = cluster.path("east-1", answer.original).read_bytes()
    await cluster.master.delete(answer.version)
    for node in ("east-1", "west-1"):
        (trashed,) = cluster.hidden(node, ".trash")
        cluster.path(node, trashed).rename(cluster.path(node, answer.original))
        assert cluster.path(node, answer.original).read_bytes() == data
    await cluster.mend()
    for node in ("east-1", "west-1"):
        assert not cluster.path(node, answer.original).exists()
        assert len(cluster.hidden(node, ".trash")) == 1
