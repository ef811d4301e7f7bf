"""The sweep: photos without sizes are found from what is on the disks alone."""

import pytest

from storagemaster.jobs.sweep import pending_originals
from storagenode.protocol.files import ListedFile
from tests.storagemaster.bundles_to_send import body_of, failure_of, sizes_of
from tests.storagemaster.pictures import picture

ONE, TWO = "01jd3x8m2c9qp4k7_3fz8qd", "01jd3x8m2c9qp4k7_000000"


@pytest.mark.parametrize(
    ("names", "pending"),
    [
        ([], []),
        ([f"{ONE}_o.jpg"], [ONE]),
        ([f"{ONE}_o.jpg", f"{ONE}_s.jpg"], [ONE]),
        ([f"{ONE}_o.jpg", f"{ONE}.json"], []),
        ([f"{ONE}_o.jpg", f"{ONE}.fail"], []),
        ([f"{ONE}_o.jpg", f"{ONE}.gone"], []),
        ([f"{ONE}_o.jpg", f"{TWO}_o.jpg", f"{ONE}.gone"], [TWO]),
        ([f"{ONE}_o.jpg", f"{TWO}_o.jpg", f"{TWO}.json"], [ONE]),
        ([f"{ONE}_o.jpg", f"{TWO}_o.jpg", "01jd3x8m2c9qp4k7.gone"], []),
        ([f"{ONE}_s.jpg", f"{ONE}_q.jpg"], []),
    ],
)
def test_pending_is_an_original_with_nothing_that_settles_it(names, pending):
    """Neither info nor failure, and no tombstone of it or of its photo."""
    found = pending_originals(1, [ListedFile(name, 1, "") for name in names])
    assert sorted(f"{o.photo_version.photo}_{o.photo_version.version}" for o in found) == sorted(
        pending
    )


async def test_what_is_settled_is_not_asked_for(cluster):
    """A photo that is ready, one that has failed, and one that is gone."""
    ready, failed, gone, pending = [
        (await cluster.master.upload(picture(number=number))).version for number in range(4)
    ]
    worker = cluster.master.worker
    await worker.put_bundle(ready, body_of(sizes_of(ready)), mtime_seconds=1)
    await worker.put_bundle(failed, body_of(failure_of(failed, "damaged")), mtime_seconds=1)
    await cluster.master.delete(gone)
    await cluster.master.sweep.sweep(1)
    assert await cluster.master.sweep.sweep(1) == 1
    lane_kind_original = cluster.master.queue._waiting._queue[-1]
    assert lane_kind_original.original.photo_version == pending


async def test_a_photo_is_asked_for_until_it_has_its_sizes(cluster):
    """Every pass again: what waits or runs is not done twice, and what was lost is found."""
    photo_version = (await cluster.master.upload(picture())).version
    assert [await cluster.master.sweep.sweep(1) for _ in range(3)] == [0, 1, 1]
    await cluster.master.worker.put_bundle(
        photo_version, body_of(sizes_of(photo_version)), mtime_seconds=1
    )
    assert await cluster.master.sweep.sweep(1) == 0


@pytest.mark.parametrize("down", ["east-1", "west-1"])
async def test_one_mirror_is_enough_to_sweep_by(cluster, down):
    """Whichever is up."""
    await cluster.master.upload(picture())
    await cluster.stop_and_notice(down)
    await cluster.master.sweep.sweep(1)
    assert await cluster.master.sweep.sweep(1) == 1


async def test_a_volume_without_mirrors_is_passed_over(cluster):
    """The others are swept all the same, and nothing is concluded of this one."""
    for volume in (1, 2):
        await cluster.master.upload(picture(), volume=volume)
    await cluster.stop_and_notice("east-1", "west-1")
    await cluster.master.sweep.sweep_all()
    asked = cluster.master.queue._waiting.qsize()
    await cluster.master.sweep.sweep_all()
    assert cluster.master.queue._waiting.qsize() == asked + 1


async def test_a_node_that_is_lost_in_a_sweep_does_not_end_it(cluster):
    """It was up when it was last asked."""
    await cluster.master.upload(picture(), volume=2)
    await cluster.stop("east-1")
    for _ in range(2):
        await cluster.master.sweep.sweep_all()
    assert cluster.master.queue._waiting.qsize() == 2
