"""Storagemasters share the background work of volumes, and take over that of a dead one."""

import doctest
from collections import Counter

import pytest

from storagemaster.mirrors import volume_owners
from storagemaster.mirrors.volume_owners import VolumeOwners
from storagemaster.repair.cycle import CYCLES_OF_OTHERS
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import MIRRORS

MASTERS = ("m1", "m2", "m3")
PATH = "1/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg"


def owners_with(*live):
    """Return the volumes of each live storagemaster, as all of them see the same ones."""
    return {
        own: {
            volume
            for volume in range(1, 1001)
            if VolumeOwners(MASTERS, own=own, is_up=lambda other: other in live).is_own(volume)
        }
        for own in live
    }


def test_each_volume_has_one_owner():
    """The shares are even, and only the volumes of a dead storagemaster move."""
    before, after = owners_with(*MASTERS), owners_with("m1", "m3")
    assert set(Counter(volume for own in before.values() for volume in own).values()) == {1}
    assert all(280 < len(own) < 390 for own in before.values())
    assert set(Counter(volume for own in after.values() for volume in own).values()) == {1}
    assert all(before[own] <= after[own] for own in after)
    assert set.union(*after.values()) == set.union(*before.values()) == set(range(1, 1001))


@pytest.mark.parametrize("seen", [(), MASTERS, ("m1",), ("m2", "m3")])
def test_a_volume_has_an_owner_whatever_others_are_believed_to_be_up(seen):
    """The first live one in the order of the volume counts itself as live."""
    for volume in range(1, 101):
        owners = [
            VolumeOwners(MASTERS, own=own, is_up=lambda each: each in seen) for own in MASTERS
        ]
        assert any(each.is_own(volume) for each in owners)


def test_the_examples_in_the_docstrings_are_true():
    """They show the order of one volume."""
    outcome = doctest.testmod(volume_owners)
    assert outcome.attempted >= 1
    assert outcome.failed == 0


@pytest.fixture(name="other")
def _other(cluster):
    """Return the state of another storagemaster, which owns all volumes while it is up."""
    state = {"up": True}

    class OwnedByOther(VolumeOwners):
        def is_own(self, _volume):
            return not state["up"]

    owners = OwnedByOther((), own="m1", is_up=lambda _: True)
    # Every part of a storagemaster has the same `Mirrors`, which is frozen.
    object.__setattr__(cluster.master.reconcile._left._mirrors, "owners", owners)
    return state


async def waits(cluster):
    """Return what volume 1 waits for, or an empty text."""
    found = (await cluster.master.request("GET", "/status")).document["waits"]
    return "".join(each["for"] for each in found if 1 in each["volumes"])


async def compare_all(cluster):
    """Compare every volume."""
    for _ in cluster.config.volumes:
        await cluster.master.reconcile.reconcile_next()


async def test_an_unequal_volume_is_left_to_its_owner(cluster, other):
    """The status waits for it, and sees that it has become equal."""
    other["up"] = False
    await cluster.master.fence_lifter.lift_fences()
    other["up"] = True
    await cluster.poll()
    cluster.write("east-1", PATH, picture())
    await compare_all(cluster)
    assert cluster.holders(PATH).keys() == {"east-1"}
    assert "another comparison: the last repair left 1 step" in await waits(cluster)
    await cluster.master.reconcile.reconcile(1)
    assert cluster.holders(PATH).keys() == set(MIRRORS[1])
    await compare_all(cluster)
    assert "comparison" not in await waits(cluster)
    assert other["up"]


async def test_the_volumes_of_a_dead_storagemaster_are_taken_over(cluster, other):
    """In the next pass."""
    cluster.write("east-1", PATH, picture())
    await compare_all(cluster)
    other["up"] = False
    await compare_all(cluster)
    assert cluster.holders(PATH).keys() == set(MIRRORS[1])


@pytest.mark.usefixtures("other")
async def test_a_volume_that_its_owner_does_not_repair_is_repaired(cluster, monkeypatch):
    """The owner responds, and cannot reach a mirror or is stuck."""
    cluster.write("east-1", PATH, picture())
    await compare_all(cluster)
    monkeypatch.setattr("storagemaster.repair.left_volumes.LEFT_SECONDS_MAX", 0)
    await compare_all(cluster)
    assert cluster.holders(PATH).keys() == set(MIRRORS[1])


async def test_a_photo_is_enqueued_again_by_the_owner_of_its_volume(cluster, other):
    """The others only count it."""
    await cluster.master.upload(picture())
    assert [await cluster.master.sweep.sweep([1]) for _ in range(2)] == [0, 0]
    other["up"] = False
    assert await cluster.master.sweep.sweep([1]) == 1


@pytest.fixture(name="compared")
def _compared(cluster, monkeypatch):
    """Return the volumes that were compared."""
    seen = []
    comparison = cluster.master.reconcile.comparison
    find_equal = comparison.find_equal

    async def record(volumes):
        seen.extend(volumes)
        return await find_equal(volumes)

    monkeypatch.setattr(comparison, "find_equal", record)
    return seen


async def test_a_storagemaster_rarely_compares_the_volumes_of_others(cluster, other, compared):
    """Comparisons do not grow with storagemasters, and each still knows the size of all volumes."""
    await compare_all(cluster)
    compared.clear()
    for _ in range(CYCLES_OF_OTHERS):
        await compare_all(cluster)
    assert Counter(compared) == dict.fromkeys(cluster.config.volumes, 1)
    compared.clear()
    other["up"] = False
    for _ in range(2):
        await compare_all(cluster)
    assert Counter(compared) == dict.fromkeys(cluster.config.volumes, 2)


async def test_every_storagemaster_compares_a_volume_that_a_fault_has_touched(
    cluster, other, compared
):
    """Each tells in its status what a volume waits for."""
    await compare_all(cluster)
    compared.clear()
    cluster.master.fleet.mark_down("west-1", "a fault")
    await cluster.poll()
    await cluster.master.reconcile.reconcile_next()
    touched = {
        number for number, each in cluster.config.volumes.items() if "west-1" in each.mirrors
    }
    assert other["up"]
    assert touched <= set(compared)
