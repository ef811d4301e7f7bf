"""Status names what each volume waits for since the last fault that touched its mirrors."""

import pytest

from storagenode.protocol.errors import NodeError
from tests.storagemaster.bundles_to_send import body_of, sizes_of
from tests.storagemaster.pictures import picture

COMPARISON = "the comparison of the mirrors"
SWEEP = "the search for photos without sizes"


async def waits(cluster):
    """Return what each volume waits for."""
    document = (await cluster.master.request("GET", "/status")).document
    return {number: wait["for"] for wait in document["waits"] for number in wait["volumes"]}


async def settle(cluster):
    """Run the passes that follow a fault, once."""
    await cluster.poll()
    await cluster.master.fence_lifter.lift_fences()
    await cluster.master.deliver_hints()
    await cluster.poll()
    await cluster.master.reconcile.reconcile_next()
    await cluster.master.sweep.sweep_touched()


async def test_a_new_storagemaster_has_compared_and_swept_nothing(cluster):
    """It knows no fault, and no mirror either."""
    await cluster.master.fence_lifter.lift_fences()
    await cluster.poll()
    assert await waits(cluster) == dict.fromkeys((1, 2), COMPARISON)
    await cluster.master.reconcile.reconcile_next()
    assert await waits(cluster) == dict.fromkeys((1, 2), SWEEP)
    await cluster.master.sweep.sweep_touched()
    assert await waits(cluster) == {}


async def test_a_restarted_node_touches_its_volumes_only(cluster):
    """Each step that follows has its own line, until the mirrors are equal and swept."""
    await settle(cluster)
    await cluster.stop_and_notice("west-1")
    assert await waits(cluster) == {1: "west-1, which is down"}
    await cluster.start_and_notice("west-1")
    assert await waits(cluster) == {1: "the tombstones that west-1 missed"}
    await cluster.master.fence_lifter.lift_fences()
    await cluster.poll()
    assert await waits(cluster) == {1: COMPARISON}
    await cluster.master.reconcile.reconcile_next()
    assert await waits(cluster) == {1: SWEEP}
    await cluster.master.sweep.sweep_touched()
    assert await waits(cluster) == {}


async def test_a_restart_between_two_polls_is_noticed(cluster):
    """The node was down and up again, and may have missed a write."""
    await settle(cluster)
    await cluster.stop("west-1")
    await cluster.start_and_notice("west-1")
    assert (await waits(cluster)).keys() == {1}


async def test_delivered_hints_touch_every_volume(cluster):
    """Another storagemaster wrote them, and this one does not know of its fault."""
    await settle(cluster)
    await cluster.stop_and_notice("west-1")
    await cluster.master.upload(picture())
    await cluster.start_and_notice("west-1")
    await cluster.master.deliver_hints()
    await cluster.poll()
    assert (await waits(cluster)).keys() == {1, 2}


async def test_a_repair_that_failed_leaves_the_volume_waiting(cluster, monkeypatch):
    """The next comparison copies the file."""
    await settle(cluster)
    original = (await cluster.master.upload(picture())).original
    await cluster.stop_and_notice("west-1")
    cluster.path("west-1", original).unlink()
    await cluster.start_and_notice("west-1")
    await cluster.master.fence_lifter.lift_fences()
    await cluster.poll()

    async def fail(*_, **__):
        raise NodeError("input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(cluster.master.reconcile._nodes["west-1"], "pull", fail)
        await cluster.master.reconcile.reconcile_next()
    assert await waits(cluster) == {
        1: "another comparison: the last repair left 1 step",
    }
    await cluster.master.reconcile.reconcile(1)
    assert await waits(cluster) == {1: SWEEP}
    assert cluster.mirrors_are_equal(1)


async def test_photos_without_sizes_are_waited_for(cluster):
    """Photos that were uploaded after the fault and its sweep are not."""
    lost = (await cluster.master.upload(picture())).version
    await settle(cluster)
    assert await waits(cluster) == {1: "the sizes of photos: 1 left"}
    await cluster.master.upload(picture(number=1))
    await cluster.master.sweep.sweep_all()
    assert await waits(cluster) == {1: "the sizes of photos: 1 left"}
    await cluster.master.worker.put_bundle(lost, body_of(sizes_of(lost)), mtime_seconds=1)
    await cluster.master.sweep.sweep_all()
    assert await waits(cluster) == {}


@pytest.mark.parametrize("node", ["east-1", "west-1"])
async def test_a_suspect_disk_touches_its_volumes_when_it_is_writable_again(cluster, node):
    """It missed the writes in between."""
    await settle(cluster)
    cluster.mark_suspect(node)
    await settle(cluster)
    assert await waits(cluster) == {}
    cluster.stores[node].health.suspect_reason = ""
    await cluster.poll()
    assert await waits(cluster) == {1: COMPARISON}
