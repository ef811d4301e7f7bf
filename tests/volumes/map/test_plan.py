"""Plans of moves: drains, replacements, and balance, in random clusters and in small ones."""

import dataclasses

import pytest

from tests.volumes.map.random_clusters import (
    DISK,
    GIB,
    measured_by,
    node,
    random_cluster,
    space,
    tables_with,
)
from volumes.cluster import NodeState, Volume
from volumes.map.measurements import Measurements
from volumes.map.moves import with_moves, with_moves_ended
from volumes.map.obstacles import Hindrance
from volumes.map.plan import JOINING_PER_NODE_MAX, plan_moves

SEEDS = range(60)
WITHIN = 0.05
MOVES_MAX = 7


def planned(tables, measured, dead=(), *, within=WITHIN, **settings):
    """Return a plan, by default with a balance."""
    return plan_moves(tables, measured, within=within, moves_max=MOVES_MAX, dead=dead, **settings)


def ended(tables, moves):
    """Return the map after moves."""
    return with_moves_ended(with_moves(tables, moves))


def filled(measured, moves):
    """Return the space after moves, before the trash of the sources is emptied."""
    spaces = dict(measured.space_of)
    for move in moves:
        before = spaces[move.target]
        spaces[move.target] = dataclasses.replace(before, free_bytes=before.free_bytes - move.bytes)
    return dataclasses.replace(measured, space_of=spaces)


def colos_of(tables, homes):
    """Return the colos of nodes."""
    return {tables.nodes[id_].colo for id_ in homes}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_volume_keeps_its_colos_and_the_number_of_its_mirrors(seed):
    """Each move, and all of them together; the target did not have the volume."""
    tables, measured, dead = random_cluster(seed)
    plan = planned(tables, measured, dead)
    for move in plan.moves:
        homes = tables.volumes[move.volume].mirrors
        assert move.source in homes
        assert move.target not in homes
    for moves in (plan.moves, plan.first, *([move] for move in plan.moves)):
        after = ended(tables, moves)
        for number, volume in tables.volumes.items():
            mirrors = after.volumes[number].mirrors
            assert len(set(mirrors)) == len(mirrors) == len(volume.mirrors)
            assert len(colos_of(tables, mirrors)) >= len(colos_of(tables, volume.mirrors))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_target_keeps_twice_its_reserve_after_all_moves_to_it(seed):
    """And it responds, and keeps its volumes."""
    tables, measured, dead = random_cluster(seed)
    plan = planned(tables, measured, dead)
    after = filled(measured, plan.moves)
    for target in {move.target for move in plan.moves}:
        assert after.space_of[target].usable_bytes >= 0
        assert tables.nodes[target].state is NodeState.OPEN
        assert target not in dead


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_after_a_plan_is_empty(seed):
    """Nothing moves back."""
    tables, measured, dead = random_cluster(seed)
    plan = planned(tables, measured, dead)
    again = planned(ended(tables, plan.moves), filled(measured, plan.moves), dead)
    assert again.moves == ()
    assert again.used_before == plan.used_after


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_leaves_nothing_behind_without_an_obstacle(seed):
    """Each volume on a draining or dead node is named, and each node with too much or too little.

    That is more than the tolerance, as a share of its disk.
    """
    tables, measured, dead = random_cluster(seed)
    plan = planned(tables, measured, dead)
    after = ended(tables, plan.moves)
    named = {(each.node, number) for each in plan.obstacles for number in each.volumes}
    for number, volume in after.volumes.items():
        for id_ in volume.mirrors:
            if id_ in dead or tables.nodes[id_].state is NodeState.DRAINING:
                assert (id_, number) in named
    uneven = {each.node for each in plan.obstacles if each.hindrance is Hindrance.UNEVEN}
    silent = {
        each.colo
        for each in tables.nodes.values()
        if each.id not in measured.space_of and each.state is NodeState.OPEN and each.id not in dead
    }
    for colo in colos_of(tables, tables.nodes) - silent:
        fills, mean = fills_of(tables, measured, plan.used_after, colo, dead)
        far = {id_ for id_, fill in fills.items() if abs(fill - mean) > WITHIN * max(mean, 1)}
        assert far == uneven & fills.keys()


def fills_of(tables, measured, used, colo, dead=()):
    """Return the fill of each node of a colo that takes volumes, and that of all of them."""
    shares = {
        each.id: each.weight * measured.space_of[each.id].total_bytes
        for each in tables.nodes.values()
        if each.colo == colo
        and each.state is NodeState.OPEN
        and each.id in measured.space_of
        and each.id not in dead
    }
    fills = {id_: used[id_] / share for id_, share in shares.items()}
    return fills, sum(used[id_] for id_ in shares) / max(sum(shares.values()), 1)


@pytest.mark.parametrize("seed", SEEDS[:25])
def test_a_plan_is_carried_out_a_few_moves_at_a_time(seed):
    """One home of a volume at a time, few to each node, and it comes to an end."""
    tables, measured, dead = random_cluster(seed)
    whole = planned(tables, measured, dead)
    copied = 0
    for _ in range(len(whole.moves) + 1):
        first = planned(tables, measured, dead).first
        if not first:
            break
        copied += sum(move.bytes for move in first)
        assert len({move.volume for move in first}) == len(first)
        copies = [move for move in first if not move.source_is_dead]
        assert len(copies) <= MOVES_MAX
        for target in {move.target for move in copies}:
            assert sum(move.target == target for move in copies) <= JOINING_PER_NODE_MAX
        under_way = with_moves(tables, first)
        moving = {move.volume for move in copies}
        assert not moving & {move.volume for move in planned(under_way, measured, dead).moves}
        tables, measured = with_moves_ended(under_way), filled(measured, first)
    assert planned(tables, measured, dead).first == ()
    assert copied <= 1.3 * whole.bytes + 10 * max(measured.bytes_of.values(), default=0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_balance_moves_little_more_than_it_must(seed):
    """The bytes outside of the tolerance, and at most one volume more for each node."""
    tables, measured, _ = random_cluster(seed)
    nodes = {id_: dataclasses.replace(n, state=NodeState.OPEN) for id_, n in tables.nodes.items()}
    tables = dataclasses.replace(tables, nodes=nodes)
    plan = planned(tables, measured)
    needed = 0.0
    for colo in colos_of(tables, tables.nodes):
        fills, mean = fills_of(tables, measured, plan.used_before, colo)
        share = {id_: plan.used_before[id_] / fill if fill else 0 for id_, fill in fills.items()}
        for id_ in fills:
            share[id_] = share[id_] or nodes[id_].weight * measured.space_of[id_].total_bytes
        surplus = sum(max(0, f - mean * (1 + WITHIN)) * share[id_] for id_, f in fills.items())
        lack = sum(max(0, mean * (1 - WITHIN) - f) * share[id_] for id_, f in fills.items())
        needed += max(surplus, lack)
    largest = max(measured.bytes_of.values(), default=0)
    assert plan.bytes <= needed + largest * len(tables.nodes)


def four_nodes(count=40, *, bytes_each=GIB, **states):
    """Return volumes on the first node of two colos with a second, empty node each."""
    ids = ("east-1", "east-2", "west-1", "west-2")
    nodes = [node(id_, **states.get(id_.replace("-", "_"), {})) for id_ in ids]
    volumes = [Volume(number=n, mirrors=("east-1", "west-1")) for n in range(1, count + 1)]
    tables = tables_with(nodes, volumes)
    return tables, measured_by(tables, dict.fromkeys(tables.volumes, bytes_each))


def test_new_nodes_get_their_share():
    """Half of the bytes of each colo, and not a volume more than the tolerance needs."""
    tables, measured = four_nodes()
    plan = planned(tables, measured)
    assert plan.obstacles == ()
    assert plan.used_after == {
        "east-1": 21 * GIB,
        "east-2": 19 * GIB,
        "west-1": 21 * GIB,
        "west-2": 19 * GIB,
    }
    assert plan.bytes == 38 * GIB


def test_a_larger_disk_and_a_greater_weight_get_a_larger_share():
    """The weight is a factor of the size of the disk."""
    tables, measured = four_nodes(90, east_2={"weight": 0.5})
    spaces = {**measured.space_of, "west-2": space(0, 2 * DISK)}
    plan = planned(tables, dataclasses.replace(measured, space_of=spaces), within=0.01)
    assert plan.used_after == {
        "east-1": 60 * GIB,
        "east-2": 30 * GIB,
        "west-1": 30 * GIB,
        "west-2": 60 * GIB,
    }


def test_empty_volumes_also_move_to_new_nodes():
    """Otherwise a new node of an empty cluster would never get a photo."""
    tables, measured = four_nodes()
    empty = dataclasses.replace(measured, bytes_of=dict.fromkeys(tables.volumes, 0))
    plan = planned(tables, empty)
    assert len(plan.moves) == 38
    assert plan.bytes == 0


def test_a_drain_moves_only_what_leaves():
    """Without a balance, nothing else moves."""
    tables, measured = four_nodes(4, east_1={"state": NodeState.DRAINING})
    plan = planned(tables, measured, within=None)
    assert {(move.source, move.target) for move in plan.moves} == {("east-1", "east-2")}
    assert plan.used_after["east-1"] == 0
    assert len(plan.first) == JOINING_PER_NODE_MAX
    begun = with_moves(tables, plan.first).volumes[plan.first[0].volume]
    assert begun.mirrors == ("east-1", "west-1")
    assert (begun.joining, begun.leaving) == (("east-2",), ("east-1",))


def test_a_lost_disk_is_replaced_at_once():
    """The target is a mirror, since there is nothing to wait for on the dead node."""
    tables, measured = four_nodes(4)
    plan = planned(tables, measured, {"east-1"}, within=None, onto={"east-1": "east-2"})
    assert len(plan.first) == 4
    assert with_moves(tables, plan.first).volumes[1].mirrors == ("east-2", "west-1")


def test_a_colo_is_drained_into_a_third_one_only():
    """With two colos, both mirrors would end in one."""
    leaving = {"state": NodeState.DRAINING}
    tables, measured = four_nodes(4, east_1=leaving, east_2=leaving)
    plan = planned(tables, measured, within=None)
    assert plan.moves == ()
    (obstacle,) = plan.obstacles
    assert (obstacle.hindrance, obstacle.volumes) == (Hindrance.NO_COLO, (1, 2, 3, 4))
    nodes = {**tables.nodes, "north-1": node("north-1")}
    tables = dataclasses.replace(tables, nodes=nodes)
    measured = measured_by(tables, measured.bytes_of)
    plan = planned(tables, measured, within=None)
    assert {(move.source, move.target) for move in plan.moves} == {("east-1", "north-1")}
    assert plan.obstacles == ()


OBSTACLES = {
    Hindrance.UNDER_WAY: {"under_way": True},
    Hindrance.OFFLOADED: {"cold": True},
    Hindrance.LAST_MIRROR: {"dead": ("east-1", "west-1")},
    Hindrance.MIRROR_DOWN: {"silent": ("west-1",)},
    Hindrance.NOT_MEASURED: {"bytes_of": {}},
    Hindrance.UNEQUAL: {"unequal": {1, 2}},
    Hindrance.NO_SPACE: {"full": ("east-2",)},
    Hindrance.NO_COLO: {"silent": ("east-2",)},
}


@pytest.mark.parametrize("hindrance", OBSTACLES)
def test_an_obstacle_says_what_to_do(hindrance):
    """Each with the node and its volumes."""
    faults = OBSTACLES[hindrance]
    tables, measured = four_nodes(2, east_1={"state": NodeState.DRAINING})
    if "under_way" in faults:
        volumes = {
            n: dataclasses.replace(v, joining=("west-2",)) for n, v in tables.volumes.items()
        }
        tables = dataclasses.replace(tables, volumes=volumes)
    spaces = {id_: s for id_, s in measured.space_of.items() if id_ not in faults.get("silent", ())}
    spaces.update({id_: space(DISK) for id_ in faults.get("full", ())})
    measured = Measurements(
        bytes_of=faults.get("bytes_of", measured.bytes_of),
        space_of=spaces,
        unequal=faults.get("unequal", ()),
        cold_nodes=dict.fromkeys(tables.volumes, ("east-1",)) if "cold" in faults else {},
    )
    plan = planned(tables, measured, faults.get("dead", ()), within=None)
    assert plan.moves == ()
    assert {each.hindrance for each in plan.obstacles} == {hindrance}
    for obstacle in plan.obstacles:
        assert str(obstacle).startswith(f"volumes 1-2 stay on node {obstacle.node}: ")
        assert "; " in str(obstacle)


def test_a_volume_too_large_to_share_stays():
    """One volume on two nodes cannot be even, and does not move to and fro."""
    tables, measured = four_nodes(1, bytes_each=200 * GIB)
    plan = planned(tables, measured)
    assert plan.moves == ()
    assert {each.node for each in plan.obstacles} == set(tables.nodes)
    assert {each.hindrance for each in plan.obstacles} == {Hindrance.UNEVEN}


def test_a_cluster_is_even_while_no_difference_matters_to_a_disk():
    """Half of the bytes cannot move, and they are one thousandth of the disk."""
    tables, measured = four_nodes(1)
    plan = planned(tables, measured)
    assert (plan.moves, plan.obstacles) == ((), ())


def test_a_colo_with_a_silent_node_is_not_balanced():
    """Its bytes may come back; the other colo is balanced."""
    tables, measured = four_nodes()
    spaces = {id_: each for id_, each in measured.space_of.items() if id_ != "east-2"}
    plan = planned(tables, dataclasses.replace(measured, space_of=spaces))
    assert {move.target for move in plan.moves} == {"west-2"}
    (obstacle,) = plan.obstacles
    assert (obstacle.hindrance, obstacle.node) == (Hindrance.NODE_DOWN, "east-2")
