"""Volumes are repaired by their danger, also if a fault touches them while others wait."""

import pytest

from storagemaster.repair.progress import RepairProgress
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import MIRRORS

DATA = picture()
PATHS = {volume: f"{volume}/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg" for volume in MIRRORS}
COPIES = {1: 2, 2: 1}


@pytest.fixture(name="repaired")
def _repaired(cluster, monkeypatch):
    """Store a photo of each volume on one mirror; return the volumes in the order of repair."""
    for volume, (mirror, _) in MIRRORS.items():
        cluster.write(mirror, PATHS[volume], DATA)
    reconcile, order = cluster.master.reconcile, []
    repair = reconcile.reconcile

    async def record(volume):
        order.append(volume)
        return await repair(volume)

    monkeypatch.setattr(reconcile, "reconcile", record)
    monkeypatch.setattr(reconcile.comparison, "copies_of", COPIES.__getitem__)
    return order


async def touch(cluster, *nodes):
    """Take nodes for down, and find them up again."""
    for node in nodes:
        cluster.master.fleet.mark_down(node, "no response")
    await cluster.master.fleet.poll()


async def test_the_volume_with_the_fewest_copies_comes_first(cluster, repaired):
    """All volumes of a fault are compared before the first is repaired."""
    await touch(cluster, "west-1", "west-2")
    await cluster.master.reconcile.reconcile_next()
    assert repaired[:2] == [2, 1]
    for volume, mirrors in MIRRORS.items():
        assert cluster.holders(PATHS[volume]).keys() == set(mirrors)


async def test_volumes_of_a_fault_join_those_that_wait(cluster, repaired, monkeypatch):
    """A node that returns during a repair has its volumes repaired in the same pass."""
    reconcile, fleet = cluster.master.reconcile, cluster.master.fleet
    record = reconcile.reconcile

    async def return_meanwhile(volume):
        report = await record(volume)
        await fleet.poll()
        return report

    monkeypatch.setattr(reconcile, "reconcile", return_meanwhile)
    await touch(cluster, "west-1")
    fleet.mark_down("west-2", "no response")
    await reconcile.reconcile_next()
    assert repaired[:2] == [1, 2]
    assert cluster.holders(PATHS[2]).keys() == set(MIRRORS[2])


async def test_the_status_has_what_is_left_while_volumes_are_repaired(
    cluster, repaired, monkeypatch
):
    """Volumes, steps, and bytes are there during a repair, and are gone after it."""
    progress, seen = cluster.master.reconcile.progress, []
    plan = RepairProgress.plan

    def record(self, steps, **shards):
        plan(self, steps, **shards)
        seen.append((self.volumes_left, self.steps_left, self.bytes_left))

    monkeypatch.setattr(RepairProgress, "plan", record)
    await touch(cluster, "west-1", "west-2")
    await cluster.master.reconcile.reconcile_next()
    assert repaired[:2] == [2, 1]
    assert seen[:2] == [(2, 1, 2 * len(DATA)), (1, 1, len(DATA))]
    assert (progress.volumes_left, progress.steps_left, progress.bytes_left) == (0, 0, 0)
