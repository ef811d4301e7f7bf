"""Sizes that were made twice, differently: one mirror's win, and good copies never get fewer."""

import hashlib
import os
from dataclasses import replace

import pytest

from drill.cluster.tcp_proxy import Direction, Fault
from storagemaster.client import MasterRefused
from storagemaster.repair.steps import Plan
from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.disk.publishing import Publisher
from tests.storagemaster.bundles_to_send import body_of, bundled
from volumes.photo_path import Info, PhotoVersion, Variant

HOMES = ("east-1", "west-1")
STEM = "1/k7/01jd3x8m2c9qp4k7_3fz8qd"
SIZE, LARGE, INFO = f"{STEM}_m.jpg", f"{STEM}_h.jpg", f"{STEM}.json"


@pytest.fixture(name="twice")
def _twice(cluster):
    """A version whose size and info are others on each mirror."""
    for node in ("east-1", "west-1"):
        cluster.write(node, SIZE, f"m of {node}".encode())
        cluster.write(node, INFO, f"info of {node}".encode())
    return min(
        ("east-1", "west-1"), key=lambda n: hashlib.sha256(f"info of {n}".encode()).hexdigest()
    )


async def test_all_sizes_of_a_version_are_taken_from_one_mirror(cluster, twice):
    """So that the info fits them; the others are kept for inspection."""
    await cluster.mend()
    loser = "west-1" if twice == "east-1" else "east-1"
    assert cluster.holders(SIZE) == dict.fromkeys(("east-1", "west-1"), f"m of {twice}".encode())
    assert cluster.holders(INFO) == dict.fromkeys(("east-1", "west-1"), f"info of {twice}".encode())
    assert len(cluster.hidden(loser, ".quarantine")) == 2
    assert cluster.hidden(twice, ".quarantine") == set()


async def test_a_copy_gives_way_only_to_one_that_is_on_the_disk(cluster, twice, monkeypatch):
    """At every moment its name has bytes: the name is moved over, not taken away."""
    loser = "west-1" if twice == "east-1" else "east-1"
    add_to_quarantine, seen = Publisher.add_to_quarantine, []

    def look(publisher, path):
        aside = add_to_quarantine(publisher, path)
        seen.append(cluster.is_sound(loser, path))
        return aside

    monkeypatch.setattr(Publisher, "add_to_quarantine", look)
    await cluster.mend()
    assert seen == [True, True]


async def test_a_source_that_is_lost_on_the_way_costs_no_copy(cluster, twice):
    """What was to give way stays, whole, until the next pass."""
    loser = "west-1" if twice == "east-1" else "east-1"
    plan = await cluster.plan()
    assert [step["action"] for step in plan["steps"]] == ["replace-sizes"]
    cluster.links[twice].plan(Fault.CUT, after_bytes=1, direction=Direction.CLIENT)
    await cluster.repair(1)
    assert cluster.links[twice].fired.is_set()
    assert cluster.is_sound(loser, SIZE)
    assert cluster.is_sound(loser, INFO)
    await cluster.mend()
    assert cluster.equal(1)


async def test_what_changed_since_the_plan_does_not_give_way(cluster, twice):
    """Only the bytes that the plan has seen are set aside."""
    loser = "west-1" if twice == "east-1" else "east-1"
    plan = await cluster.master.reconcile.plan(1)
    kept = cluster.path(loser, SIZE).read_bytes()
    (step,) = plan.plan.steps
    stale = replace(step, steps=tuple(replace(each, old_digest="0" * 64) for each in step.steps))
    await cluster.master.reconcile.apply(Plan((stale,)))
    assert cluster.path(loser, SIZE).read_bytes() == kept


async def test_sizes_are_not_mixed_where_the_chosen_mirror_has_a_damaged_one(cluster, twice):
    """It is found before the first is replaced, and then the other mirror's win."""
    winner = "west-1" if twice == "east-1" else "east-1"
    for node in HOMES:
        cluster.write(node, LARGE, f"h of {node}".encode())
    cluster.damage(twice, LARGE, lambda _: b"damaged")
    for _ in range(3):
        await cluster.repair(1)
    await cluster.mend()
    for path, what in ((SIZE, "m"), (LARGE, "h"), (INFO, "info")):
        assert cluster.holders(path) == dict.fromkeys(HOMES, f"{what} of {winner}".encode())


async def test_bytes_that_lost_their_digest_are_compared_with_a_copy_that_is_owed(cluster):
    """They are the only ones at home, and damaged: they would be believed."""
    cluster.write("east-1", SIZE, b"damaged")
    os.removexattr(cluster.path("east-1", SIZE), DIGEST_XATTR)
    cluster.write("west-2", SIZE, b"m", hint_for="west-1")
    await cluster.repair(1)
    assert cluster.holders(SIZE) == {"west-2 for west-1": b"m"}
    assert len(cluster.hidden("east-1", ".quarantine")) == 1
    await cluster.mend()
    assert cluster.holders(SIZE) == dict.fromkeys(HOMES, b"m")


async def test_bytes_that_lost_their_digest_wait_for_a_node_that_may_know_it(cluster):
    """Nobody can say whether it holds another copy for a home."""
    cluster.write("east-1", SIZE, b"m")
    os.removexattr(cluster.path("east-1", SIZE), DIGEST_XATTR)
    await cluster.stop_and_notice("west-2")
    answer = await cluster.repair(1)
    assert [step["action"] for step in answer["failed"]] == ["restore-digest"]
    assert cluster.master.fleet.is_up("east-1")
    await cluster.start("west-2")
    await cluster.mend()
    assert cluster.holders(SIZE) == dict.fromkeys(HOMES, b"m")


async def test_a_bundle_of_another_library_does_not_make_up_for_a_damaged_size(cluster):
    """The info that is there does not tell of it; the other mirror has the right one."""
    photo_version = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
    first = [
        bundled(Variant(photo_version, "m", "jpg"), b"m of one"),
        bundled(Info(photo_version), b"info of one"),
    ]
    second = [
        bundled(Variant(photo_version, "m", "jpg"), b"m of two"),
        bundled(Info(photo_version), b"info of two"),
    ]
    await cluster.master.worker.put_bundle(
        photo_version, body_of(first), mtime_seconds=1_700_000_000
    )
    cluster.damage("east-1", SIZE, lambda _: b"damaged")
    with pytest.raises(MasterRefused):
        await cluster.master.worker.put_bundle(
            photo_version, body_of(second), mtime_seconds=1_700_000_000
        )
    await cluster.scrub("east-1")
    await cluster.mend()
    assert cluster.holders(SIZE) == dict.fromkeys(HOMES, b"m of one")
