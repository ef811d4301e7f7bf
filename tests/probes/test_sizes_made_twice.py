"""Sizes that were made twice, differently: one mirror's win, and good copies never get fewer."""

import hashlib

import pytest

from glassplate.drill.tcp_proxy import Fault, Towards
from storagenode.publishing import Publisher

STEM = "1/k7/01jd3x8m2c9qp4k7_3fz8qd"
SIZE, INFO = f"{STEM}_m.jpg", f"{STEM}.json"


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
    set_aside, seen = Publisher.set_aside, []

    def look(publisher, path):
        aside = set_aside(publisher, path)
        seen.append(cluster.is_sound(loser, path))
        return aside

    monkeypatch.setattr(Publisher, "set_aside", look)
    await cluster.mend()
    assert seen == [True, True]


async def test_a_source_that_is_lost_on_the_way_costs_no_copy(cluster, twice):
    """What was to give way stays, whole, until the next pass."""
    loser = "west-1" if twice == "east-1" else "east-1"
    plan = await cluster.plan()
    assert {step["do"] for step in plan["steps"]} == {"replace"}
    cluster.links[twice].plan(Fault.CUT, after_bytes=1, towards=Towards.CLIENT)
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
    stale = [type(step)(**{**fields_of(step), "loses": "0" * 64}) for step in plan.plan.steps]
    await cluster.master.reconcile.apply(type(plan.plan)(tuple(stale)))
    assert cluster.path(loser, SIZE).read_bytes() == kept


def fields_of(step):
    """The fields of a step by name."""
    return {name: getattr(step, name) for name in type(step).__dataclass_fields__}
