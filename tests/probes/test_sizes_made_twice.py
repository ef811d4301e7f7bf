"""Sizes that two workers made differently: one mirror's sizes win, and no good copy is lost."""

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

NODES = ("east-1", "west-1")
STEM = "1/k7/01jd3x8m2c9qp4k7_3fz8qd"
SIZE, LARGE, INFO = f"{STEM}_m.jpg", f"{STEM}_h.jpg", f"{STEM}.json"


@pytest.fixture(name="mirrors")
def _mirrors(cluster):
    """Return winner and loser of a version whose size and info differ between the mirrors."""
    for node in NODES:
        cluster.write(node, SIZE, f"m of {node}".encode())
        cluster.write(node, INFO, f"info of {node}".encode())
    return sorted(NODES, key=lambda node: hashlib.sha256(f"info of {node}".encode()).hexdigest())


async def test_all_sizes_of_a_version_are_taken_from_one_mirror(cluster, mirrors):
    """The info matches the sizes, and the replaced files are in quarantine."""
    await cluster.repair_all()
    winner, loser = mirrors
    assert cluster.holders(SIZE) == dict.fromkeys(NODES, f"m of {winner}".encode())
    assert cluster.holders(INFO) == dict.fromkeys(NODES, f"info of {winner}".encode())
    assert len(cluster.hidden(loser, ".quarantine")) == 2
    assert cluster.hidden(winner, ".quarantine") == set()


async def test_a_size_is_replaced_only_by_a_file_on_disk(cluster, mirrors, monkeypatch):
    """The name has valid bytes at every moment."""
    _, loser = mirrors
    add_to_quarantine, seen = Publisher.add_to_quarantine, []

    def quarantine_and_check(publisher, place):
        quarantined = add_to_quarantine(publisher, place)
        seen.append(cluster.is_sound(loser, place.path))
        return quarantined

    monkeypatch.setattr(Publisher, "add_to_quarantine", quarantine_and_check)
    await cluster.repair_all()
    assert seen == [True, True]


async def test_a_source_that_fails_during_a_replacement_costs_no_copy(cluster, mirrors):
    """The old files stay until the next pass."""
    winner, loser = mirrors
    plan = await cluster.plan()
    assert [step["action"] for step in plan["steps"]] == ["replace-sizes"]
    cluster.links[winner].plan(Fault.CUT, after_bytes=1, direction=Direction.CLIENT)
    await cluster.repair(1)
    assert cluster.links[winner].fired.is_set()
    assert cluster.is_sound(loser, SIZE)
    assert cluster.is_sound(loser, INFO)
    await cluster.repair_all()
    assert cluster.equal(1)


async def test_a_file_changed_since_the_plan_is_not_replaced(cluster, mirrors):
    """Only bytes with the digest in the plan go to quarantine."""
    _, loser = mirrors
    plan = await cluster.master.reconcile.plan(1)
    before = cluster.path(loser, SIZE).read_bytes()
    (step,) = plan.plan.steps
    stale = replace(step, steps=tuple(replace(each, old_digest="0" * 64) for each in step.steps))
    await cluster.master.reconcile.apply(Plan((stale,)))
    assert cluster.path(loser, SIZE).read_bytes() == before


async def test_sizes_of_a_mirror_with_a_damaged_size_do_not_win(cluster, mirrors):
    """The damage is found before the first replacement, and the other mirror's sizes win."""
    damaged, winner = mirrors
    for node in NODES:
        cluster.write(node, LARGE, f"h of {node}".encode())
    cluster.damage(damaged, LARGE, lambda _: b"damaged")
    for _ in range(3):
        await cluster.repair(1)
    await cluster.repair_all()
    for path, what in ((SIZE, "m"), (LARGE, "h"), (INFO, "info")):
        assert cluster.holders(path) == dict.fromkeys(NODES, f"{what} of {winner}".encode())


async def test_a_sole_copy_without_digest_is_compared_with_a_hint(cluster):
    """The copy is damaged, and its own digest would make it valid."""
    cluster.write("east-1", SIZE, b"damaged")
    os.removexattr(cluster.path("east-1", SIZE), DIGEST_XATTR)
    cluster.write("west-2", SIZE, b"m", hint_for="west-1")
    await cluster.repair(1)
    assert cluster.holders(SIZE) == {"west-2 for west-1": b"m"}
    assert len(cluster.hidden("east-1", ".quarantine")) == 1
    await cluster.repair_all()
    assert cluster.holders(SIZE) == dict.fromkeys(NODES, b"m")


async def test_a_sole_copy_without_digest_waits_for_all_nodes(cluster):
    """A node that is down may hold a hint with the digest."""
    cluster.write("east-1", SIZE, b"m")
    os.removexattr(cluster.path("east-1", SIZE), DIGEST_XATTR)
    await cluster.stop_and_notice("west-2")
    response = await cluster.repair(1)
    assert [step["action"] for step in response["failed"]] == ["restore-digest"]
    assert cluster.master.fleet.is_up("east-1")
    await cluster.start("west-2")
    await cluster.repair_all()
    assert cluster.holders(SIZE) == dict.fromkeys(NODES, b"m")


async def test_a_bundle_of_another_library_does_not_replace_a_damaged_size(cluster):
    """The existing info does not describe it. The other mirror has the right one."""
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
    await cluster.repair_all()
    assert cluster.holders(SIZE) == dict.fromkeys(NODES, b"m of one")
