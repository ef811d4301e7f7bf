"""Plans of moves that are carried out: a balance, a drain, and the loss of a disk."""

import dataclasses

import pytest

from glassplate.cli.map_changes import measurements
from storagemaster.moves import moves
from tests.storagemaster.maps.test_map_changes import change, follow
from tests.storagemaster.moves.test_moves import restore_roots, start_following
from tests.storagemaster.pictures import long_picture
from tests.storagemaster.small_cluster import MIRRORS
from volumes.cluster import NodeState
from volumes.map.edits import with_changed_nodes
from volumes.map.map_text import render_map
from volumes.map.moves import with_moves
from volumes.map.plan import plan_moves
from volumes.map.volume_map import tables_of

PASSES_MAX = 30


@pytest.fixture(name="cluster")
def _cluster(runner, cluster_with, monkeypatch):
    """Return a small cluster whose nodes follow the storagemasters' map. Steps follow at once."""
    monkeypatch.setattr(moves, "PAUSE_SECONDS", 0.0)
    yield (cluster := runner.run(start_following(cluster_with)))
    restore_roots(cluster)


@pytest.fixture(name="paths")
def _paths(runner, cluster):
    """Return the originals of a large photo in volume 1, and a small one in the other volume."""

    async def store():
        paths = {}
        for number in MIRRORS:
            data = long_picture(500_000 if number == 1 else 50_000, number=number)
            answer = await cluster.master.request("POST", f"/photos?volume={number}", data=data)
            assert answer.status == 201
            paths[number] = answer.original
        await compare(cluster)
        return paths

    return runner.run(store())


async def compare(cluster):
    """Compare all volumes, so that their bytes are known."""
    for _ in MIRRORS:
        await cluster.master.reconcile.reconcile_next()


async def planned(cluster, tables, **options):
    """Return the plan for the tables of a map, as the commands make it."""
    status = (await cluster.master.request("GET", "/status")).document
    return plan_moves(tables, measurements(status), moves_max=100, **options)


async def carry_out(cluster, tables, **options):
    """Begin the moves of a plan, and run passes until they have ended; return the plan."""
    plan = await planned(cluster, tables, **options)
    in_force = cluster.master.maps.in_force
    text = render_map(dataclasses.replace(in_force, tables=with_moves(tables, plan.first)))
    answer = await change(cluster.master, text, after_version=in_force.version)
    assert answer.status == 200, answer.document
    for _ in range(PASSES_MAX):
        await follow(cluster.master)
        await cluster.master.fence_lifter.lift_fences()
        for number in MIRRORS:
            await cluster.master.reconcile.reconcile(number)
        await cluster.master.filling.fill_all()
        await cluster.poll()
        await cluster.master.moves.advance_all()
        if not any(each.joining or each.leaving for each in volumes(cluster).values()):
            return plan
    raise AssertionError(f"the moves have not ended: {volumes(cluster)}")


def volumes(cluster):
    """Return the volumes of the map in force."""
    return cluster.master.maps.in_force.tables.volumes


def check_copies(cluster, paths):
    """Check that each photo is on the mirrors of its volume."""
    for number, path in paths.items():
        assert set(volumes(cluster)[number].mirrors) <= set(cluster.holders(path))


async def test_a_balance_moves_the_volume_to_the_node_with_the_larger_share(cluster, paths):
    """Its second plan has no move left."""
    tables = with_changed_nodes(tables_of(cluster.config), ["east-1"], weight=0.01)
    plan = await carry_out(cluster, tables, within=0.05)
    assert [(move.volume, move.source, move.target) for move in plan.moves] == [
        (1, "east-1", "east-2")
    ]
    assert volumes(cluster)[1].mirrors == ("west-1", "east-2")
    check_copies(cluster, paths)
    await compare(cluster)
    left = await planned(cluster, cluster.master.maps.in_force.tables, within=0.05)
    assert left.moves == ()


async def test_a_drained_node_is_empty_in_the_end(cluster, paths):
    """Its volume is on the other node of the colo."""
    state = NodeState.DRAINING
    tables = with_changed_nodes(tables_of(cluster.config), ["west-1"], state=state)
    await carry_out(cluster, tables, within=None)
    assert not any("west-1" in each.homes for each in volumes(cluster).values())
    check_copies(cluster, paths)


async def test_the_volumes_of_a_dead_node_are_filled_from_their_other_mirrors(cluster, paths):
    """Another node of the colo is their mirror at once, and empty until they are repaired."""
    await cluster.stop_and_notice("west-1")
    await carry_out(cluster, tables_of(cluster.config), within=None, dead=("west-1",))
    assert not any("west-1" in each.homes for each in volumes(cluster).values())
    check_copies(cluster, paths)
    await cluster.start_and_notice("west-1")
