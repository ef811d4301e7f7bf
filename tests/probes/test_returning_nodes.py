"""A node that returns after any time, with any disk, never restores a deleted photo."""

import asyncio
import shutil

from storagemaster.repair import fence_lifting
from storagenode.disk.summaries import summaries
from storagenode.upkeep.fence import Fence
from tests.storagemaster.pictures import picture
from volumes.cluster import Cluster, Limits


async def deleted_without(cluster, node):
    """Upload a photo, delete it while a node is down, and return its path."""
    response = await cluster.upload()
    await cluster.stop_and_notice(node)
    assert (await cluster.master.delete(response.version)).status == 200
    return response.original


async def test_a_returning_node_never_serves_a_deleted_photo(cluster):
    """It has the bytes and no tombstone. With 503 the edge uses the other mirror."""
    path = await deleted_without(cluster, "west-1")
    await cluster.start("west-1")
    assert cluster.path("west-1", path).exists()
    assert (await cluster.read(path, at="west-1")).status == 503
    await cluster.poll()
    assert await cluster.master.fence_lifter.lift_fences() >= 0
    assert (await cluster.read(path, at="west-1")).status == 410


async def test_a_returned_node_is_fenced_until_its_hints_are_delivered(cluster):
    """Otherwise it would return 404 for an acknowledged photo."""
    await cluster.stop_and_notice("west-1")
    path = await cluster.store_photo(picture(number=2))
    await cluster.start_and_notice("west-1")
    assert await cluster.master.fence_lifter.lift_fences() == 0
    assert (await cluster.read(path, at="west-1")).status == 503
    await cluster.run_passes()
    assert (await cluster.read(path, at="west-1")).status == 200


async def test_an_old_backup_of_a_disk_restores_no_deleted_photo(cluster, tmp_path):
    """Photos deleted after the backup are never served."""
    responses = [await cluster.upload(picture(number=number)) for number in range(5)]
    shutil.copytree(cluster.root("west-1") / "1", tmp_path / "1", symlinks=True)
    for response in responses:
        await cluster.master.delete(response.version)
    await cluster.stop("west-1")
    shutil.rmtree(cluster.root("west-1") / "1")
    shutil.copytree(tmp_path / "1", cluster.root("west-1") / "1", symlinks=True)
    await cluster.start("west-1")
    assert {(await cluster.read(a.original, at="west-1")).status for a in responses} == {503}
    await cluster.run_passes()
    assert {(await cluster.read(a.original, at="west-1")).status for a in responses} == {410}
    await cluster.repair_all()
    assert cluster.equal(1)


async def test_with_the_other_mirror_down_the_fence_stays(cluster):
    """The other mirror may have tombstones. Another test covers the timeout of the fence."""
    path = await cluster.store_photo()
    await cluster.stop_and_notice("east-1", "west-1")
    await cluster.start_and_notice("west-1")
    assert await cluster.master.fence_lifter.lift_fences() == 0
    assert (await cluster.read(path, at="west-1")).status == 503


async def test_a_fence_times_out(cluster, monkeypatch):
    """A colo that returns alone serves its photos."""
    path = await cluster.store_photo()
    await cluster.stop_and_notice("east-1", "west-1")
    monkeypatch.setattr(Limits, "fence_seconds", 0.01)
    await cluster.start_and_notice("west-1")
    async with asyncio.timeout(30):
        while (await cluster.read(path)).status == 503:  # noqa: ASYNC110  # the timer of the node
            await asyncio.sleep(0.05)
    assert (await cluster.read(path)).status == 200


async def test_strict_deletes_keep_the_fence_until_all_tombstones_are_known(cluster, monkeypatch):
    """Nothing of the volume is served before, and an operator cannot let the fence fall either."""
    monkeypatch.setattr(Cluster, "strict_deletes", True)
    monkeypatch.setattr(Limits, "fence_seconds", 0.01)
    kept = await cluster.store_photo(picture(number=2))
    deleted = await deleted_without(cluster, "west-1")
    await cluster.stop_and_notice("east-1")
    await cluster.start_and_notice("west-1")
    await cluster.run_passes()
    response = await cluster.master.request("POST", "/nodes/west-1/unfence")
    assert response.status == 403
    assert "token" not in response.document["title"]
    assert "start the other mirrors" in response.document["detail"]
    alerts = (await cluster.master.request("GET", "/status")).document["alerts"]
    alert = (
        "west-1 serves no photo of volumes 1 before it has the tombstones of east-1, which is down"
    )
    assert any(alert in each for each in alerts)
    await asyncio.sleep(1.5)  # longer than the time and the timer of a fence that falls
    assert (await cluster.read(kept, at="west-1")).status == 503
    await cluster.start_and_notice("east-1")
    await cluster.run_passes()
    await cluster.poll()
    alerts = (await cluster.master.request("GET", "/status")).document["alerts"]
    assert not any("serves no photo" in each for each in alerts)
    assert (await cluster.read(kept, at="west-1")).status == 200
    assert (await cluster.read(deleted, at="west-1")).status == 410


async def test_an_operator_lets_a_fence_fall(cluster):
    """The node serves what it has, and the status has an alert until the fence is lifted."""
    path = await deleted_without(cluster, "west-1")
    await cluster.stop_and_notice("east-1")
    await cluster.start_and_notice("west-1")
    assert (await cluster.read(path, at="west-1")).status == 503
    response = await cluster.master.request("POST", "/nodes/west-1/unfence")
    assert response.document == {"node": "west-1", "volumes": 1}
    assert (await cluster.read(path, at="west-1")).status == 200
    await cluster.poll()
    alerts = (await cluster.master.request("GET", "/status")).document["alerts"]
    assert sum("west-1 serves volumes whose deletes it may have missed (1)" in a for a in alerts)
    await cluster.start_and_notice("east-1")
    await cluster.run_passes()
    assert (await cluster.read(path, at="west-1")).status == 410
    await cluster.poll()
    alerts = (await cluster.master.request("GET", "/status")).document["alerts"]
    assert not any("may have missed" in alert for alert in alerts)


async def test_an_unknown_or_unreachable_node_is_not_unfenced(cluster):
    """The response says why."""
    assert (await cluster.master.request("POST", "/nodes/north/unfence")).status == 400
    await cluster.stop("west-1")
    response = await cluster.master.request("POST", "/nodes/west-1/unfence")
    assert response.status == 503
    assert "west-1 keeps its fence" in response.document["detail"]


async def test_a_large_volume_is_listed_in_several_requests(cluster, monkeypatch):
    """Each of them continues, and the fence stays meanwhile."""
    for number in range(9):
        await cluster.store_photo(picture(number=number))
    await cluster.stop("west-1")
    monkeypatch.setattr(summaries, "FILES_PER_REQUEST_MAX", 1)
    monkeypatch.setattr(fence_lifting, "PROGRESS_SECONDS", 0.0)
    steps = []
    monkeypatch.setattr(Fence, "note_progress", lambda _, serial: steps.append(serial))
    await cluster.start_and_notice("west-1")
    assert await cluster.master.fence_lifter.lift_fences() == 1
    assert len(steps) > 3
    await cluster.repair_all()
    assert cluster.equal(1)


async def test_one_pass_lifts_all_fences_after_a_power_failure(cluster):
    """Every mirror of every volume is fenced, and no operator is needed."""
    paths = [await cluster.store_photo(volume=volume) for volume in (1, 2)]
    await cluster.stop(*cluster.stores)
    await cluster.start(*cluster.stores)
    assert {(await cluster.read(path)).status for path in paths} == {503}
    await cluster.poll()
    assert await cluster.master.fence_lifter.lift_fences() == 4
    assert [(await cluster.read(path)).status for path in paths] == [200, 200]


async def test_tombstones_are_exchanged_between_two_returning_nodes(cluster):
    """Each node missed a delete that the other has."""
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
        for response in (first, second):
            assert (await cluster.read(response.original, at=node)).status == 410


async def test_a_node_that_restarts_is_fenced_again(cluster):
    """A status from before the restart lifts no fence."""
    path = await cluster.store_photo()
    await cluster.stop("west-1")
    await cluster.start_and_notice("west-1")
    await cluster.stop("west-1")
    await cluster.start("west-1")
    await cluster.master.fence_lifter.lift_fences()
    assert (await cluster.read(path, at="west-1")).status == 503
    await cluster.run_passes()
    assert (await cluster.read(path, at="west-1")).status == 200


async def test_two_storagemasters_can_lift_a_fence(cluster):
    """The second request has no effect."""
    path = await cluster.store_photo()
    other = await cluster.another_master()
    await cluster.stop("west-1")
    await cluster.start_and_notice("west-1")
    await cluster.master.fence_lifter.lift_fences()
    await other.fence_lifter.lift_fences()
    assert (await cluster.read(path, at="west-1")).status == 200


async def test_a_fenced_node_is_a_source_for_repair(cluster):
    """The fence only stops reads by edges."""
    path = await cluster.store_photo()
    await cluster.stop("west-1", "east-1")
    cluster.path("east-1", path).unlink()
    await cluster.start_and_notice("west-1", "east-1")
    await cluster.repair(1)
    assert cluster.holders(path).keys() == {"east-1", "west-1"}


async def test_many_missed_deletes_are_delivered_in_one_pass(cluster):
    """The pass lists each mirror once, and delivers only missing tombstones.

    The mirrors have tombstones of the same shard already.
    """
    paths = [f"1/k7/01jd3x8m2c9q{number:02d}k7_3fz8qd_o.jpg" for number in range(40)]
    for path in paths:
        for node in ("east-1", "west-1"):
            cluster.write(node, path, path.encode())
    for path in paths:
        if path == paths[1]:
            await cluster.stop_and_notice("west-1")
        photo = path.split("/")[2][:16]
        response = await cluster.master.request("DELETE", f"/photos/1/{photo}")
        assert response.status == 200
    await cluster.start("west-1")
    await cluster.poll()
    await cluster.master.fence_lifter.lift_fences()
    assert {(await cluster.read(path, at="west-1")).status for path in paths} == {410}


async def test_a_delete_unfinished_on_both_mirrors_is_finished(cluster):
    """The mirrors are equal, but both have the tombstone and the file."""
    response = await cluster.upload()
    data = cluster.path("east-1", response.original).read_bytes()
    await cluster.master.delete(response.version)
    for node in ("east-1", "west-1"):
        (trashed,) = cluster.hidden(node, ".trash")
        cluster.path(node, trashed).rename(cluster.path(node, response.original))
        assert cluster.path(node, response.original).read_bytes() == data
    await cluster.repair_all()
    for node in ("east-1", "west-1"):
        assert not cluster.path(node, response.original).exists()
        assert len(cluster.hidden(node, ".trash")) == 1
