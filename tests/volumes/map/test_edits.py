"""Edits of the map by operators, and what they refuse."""

import dataclasses

import pytest

from tests.volumes.map.random_clusters import DISK, measured_by, node, space, tables_with
from volumes.address import Address
from volumes.cluster import Edge, Master, NodeState, Volume
from volumes.map.edits import (
    RefusedEdit,
    require_target,
    with_changed_nodes,
    with_closed_volumes,
    with_colo,
    with_node,
    with_open_volumes,
    without_moves,
    without_node,
)
from volumes.volume_state import VolumeState

NODES = [node(id_) for id_ in ("east-1", "east-2", "west-1", "west-2")]
VOLUMES = [Volume(number=number, mirrors=("east-1", "west-1")) for number in (1, 2)]
TABLES = tables_with(NODES, VOLUMES)
MEASURED = measured_by(TABLES, {1: 0, 2: 0})


def test_a_node_is_added_and_an_empty_one_removed():
    """The map after both is the one before."""
    added = with_node(TABLES, node("east-3"))
    assert list(added.nodes) == [*TABLES.nodes, "east-3"]
    assert without_node(added, "east-3") == TABLES


def test_a_new_colo_has_its_machines_and_a_known_one_is_refused():
    """No volume moves, and no id is used twice."""
    at = Address("h", 1)
    master = Master(id="north-m", colo="north", address=at)
    edge = Edge(id="north-e", colo="north", kind="nginx", listen=at, purge=at)
    new = [node("north-1"), node("north-2")]
    added = with_colo(TABLES, "north", nodes=new, masters=[master], edges=[edge])
    assert list(added.nodes) == [*TABLES.nodes, "north-1", "north-2"]
    assert (added.masters, added.edges) == ({"north-m": master}, {"north-e": edge})
    assert added.volumes == TABLES.volumes
    for tables, colo, words in (
        (added, "north", "colo north exists already, with north-1, north-2; add other nodes"),
        (without_node(without_node(added, "north-1"), "north-2"), "north", "storagemaster north-m"),
    ):
        with pytest.raises(RefusedEdit, match=words):
            with_colo(tables, colo, nodes=new, masters=[master], edges=[edge])


def test_weight_and_state_change_alone():
    """Every other value stays."""
    changed = with_changed_nodes(TABLES, ["east-1"], weight=2.0)
    changed = with_changed_nodes(changed, ["east-1"], state=NodeState.DRAINING)
    found = changed.nodes["east-1"]
    assert (found.weight, found.state) == (2.0, NodeState.DRAINING)
    assert changed.nodes["east-2"] == TABLES.nodes["east-2"]


def test_new_volumes_go_where_the_fewest_are():
    """In two colos each, in proportion to disks and weights; a draining node gets none."""
    spaces = {**MEASURED.space_of, "west-1": space(0, 3 * DISK)}
    measured = dataclasses.replace(MEASURED, space_of=spaces)
    tables = with_changed_nodes(TABLES, ["east-1"], state=NodeState.DRAINING)
    opened = with_open_volumes(tables, measured, range(3, 11), [])
    mirrors = [set(opened.volumes[number].mirrors) for number in range(3, 11)]
    assert sum("east-2" in each for each in mirrors) == 8
    assert sum("west-2" in each for each in mirrors) == 2
    assert {opened.volumes[number].state for number in range(3, 11)} == {VolumeState.NEW}


def test_volumes_are_new_until_every_edge_knows_them():
    """To open them again changes nothing; closed ones open at once."""
    closed = with_closed_volumes(TABLES, [2])
    opened = with_open_volumes(closed, MEASURED, [2, 3], ["east-2", "west-2"])
    assert opened.volumes[3] == Volume(
        number=3, mirrors=("east-2", "west-2"), state=VolumeState.NEW
    )
    assert opened.volumes[2] == VOLUMES[1]
    assert with_open_volumes(opened, MEASURED, [3], []) == opened


def test_a_cancelled_move_leaves_the_mirrors_as_they_are():
    """Also the ones that would have left."""
    moving = dataclasses.replace(VOLUMES[0], joining=("east-2",), leaving=("east-1",))
    tables = dataclasses.replace(TABLES, volumes={1: moving, 2: VOLUMES[1]})
    assert without_moves(tables, [1]) == TABLES


DRAINED = with_changed_nodes(TABLES, ["east-2"], state=NodeState.DRAINING)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda: require_target(TABLES, VOLUMES[0], "x"), "unknown node 'x'; "),
        (lambda: require_target(TABLES, VOLUMES[0], "west-1"), "has volume 1 already"),
        (lambda: require_target(DRAINED, VOLUMES[0], "east-2"), "node drain east-2 --undo"),
        (lambda: with_node(TABLES, node("east-1")), "node east-1 exists already; "),
        (
            lambda: with_node(
                dataclasses.replace(TABLES, gone_nodes={"east-9": node("east-9")}), node("east-9")
            ),
            "ids are never used again; ",
        ),
        (lambda: with_changed_nodes(TABLES, ["x"], weight=1.0), "unknown node 'x'; known nodes: "),
        (lambda: without_node(TABLES, "east-1"), "holds volumes 1-2; "),
        (lambda: without_node(TABLES, "x"), "unknown node 'x'; known nodes: "),
        (lambda: with_open_volumes(TABLES, MEASURED, [3], ["x"]), "unknown node 'x'; "),
        (
            lambda: with_open_volumes(
                with_changed_nodes(TABLES, ["east-1", "east-2"], state=NodeState.DRAINING),
                MEASURED,
                [3],
                [],
            ),
            "fewer than two colos have an open node that responds; ",
        ),
        (lambda: with_closed_volumes(TABLES, [9]), "unknown volume 9; known volumes: 1-2"),
        (lambda: with_closed_volumes(TABLES, [1, 2]), "no volume would take photos; "),
        (lambda: without_moves(TABLES, [1]), "volume 1 does not move; "),
    ],
)
def test_a_refused_edit_says_what_to_do(edit, words):
    """Nothing is changed."""
    with pytest.raises(RefusedEdit, match=words):
        edit()
