"""From one map to the next: versions of volumes, differences, and refusals."""

import dataclasses

import pytest

from tests.proxy_config.golden_configs import golden_cluster
from volumes.cluster import NodeState
from volumes.map.changes import changes_between, is_outdated, next_map, refusals
from volumes.map.volume_map import map_of, tables_of
from volumes.volume_state import VolumeState

CLUSTER = golden_cluster()
TABLES = tables_of(CLUSTER)
FIRST = map_of(CLUSTER)
NUMBER = min(CLUSTER.volumes)
MIRRORS = CLUSTER.volumes[NUMBER].mirrors
OTHERS = tuple(node for node in CLUSTER.nodes if node not in MIRRORS)


def volume_with(tables=TABLES, number=NUMBER, **changes):
    """Return tables with another volume."""
    volume = dataclasses.replace(tables.volumes[number], **changes)
    return dataclasses.replace(tables, volumes={**tables.volumes, number: volume})


def test_only_other_mirrors_make_a_request_outdated():
    """A request by the map before it is refused for this volume, and for no other."""
    second = next_map(FIRST, volume_with(mirrors=(MIRRORS[0], OTHERS[0])), why="")
    assert second.after == FIRST.id.digest
    assert is_outdated(second.tables.volumes[NUMBER], requested_by=1)
    assert not is_outdated(second.tables.volumes[NUMBER], requested_by=2)
    others = [each for number, each in second.tables.volumes.items() if number != NUMBER]
    assert others
    assert not any(is_outdated(each, requested_by=1) for each in others)
    third = next_map(second, volume_with(second.tables, state=VolumeState.CLOSED), why="")
    assert third.tables.volumes[NUMBER].since == 2
    for move in ({"joining": (OTHERS[1],)}, {"leaving": (MIRRORS[0],)}):
        moving = next_map(third, volume_with(third.tables, **move), why="")
        assert moving.tables.volumes[NUMBER].since == 4


def test_an_edited_since_is_ignored():
    """Only the mirrors decide."""
    assert next_map(FIRST, volume_with(since=40), why="").tables == FIRST.tables


def test_a_new_volume_begins_with_its_map():
    """No older map knows its mirrors."""
    new = dataclasses.replace(TABLES.volumes[NUMBER], number=9_000)
    wanted = dataclasses.replace(TABLES, volumes={**TABLES.volumes, 9_000: new})
    added = next_map(FIRST, wanted, why="").tables.volumes[9_000]
    assert (added.since, added.state) == (2, VolumeState.NEW)


def test_changes_name_processes_and_ranges_of_volumes():
    """Before and after, in one line each."""
    assert changes_between(TABLES, TABLES) == []
    node = dataclasses.replace(TABLES.nodes["east-1"], uuid="1", store="/elsewhere")
    wanted = dataclasses.replace(TABLES, nodes={**TABLES.nodes, "east-1": node}, edges={})
    found = changes_between(TABLES, volume_with(wanted, mirrors=(MIRRORS[0], OTHERS[0])))
    assert found[0].what == "node east-1"
    assert "uuid 1" in found[0].after
    assert "elsewhere" not in found[0].after
    assert {each.after for each in found if each.what.startswith("edge ")} == {""}
    assert found[-1].what == f"volumes {NUMBER}"
    assert found[-1].before == f"{', '.join(MIRRORS)}; open"
    assert found[-1].after == f"{MIRRORS[0]}, {OTHERS[0]}; open"
    drained = dataclasses.replace(TABLES.nodes["east-1"], state=NodeState.DRAINING, weight=2.0)
    wanted = dataclasses.replace(TABLES, nodes={**TABLES.nodes, "east-1": drained})
    moving = volume_with(wanted, joining=(OTHERS[0],), leaving=(MIRRORS[0],))
    draining, moved = changes_between(TABLES, moving)
    assert draining.after.endswith(", state draining, weight 2.0")
    assert draining.after.startswith(draining.before)
    assert moved.after == f"{', '.join(MIRRORS)}; joining {OTHERS[0]}; leaving {MIRRORS[0]}; open"


def without_volume(number):
    """Return tables without a volume."""
    volumes = {n: each for n, each in TABLES.volumes.items() if n != number}
    return dataclasses.replace(TABLES, volumes=volumes)


def moved_node():
    """Return tables with a node in another colo."""
    node = dataclasses.replace(TABLES.nodes["east-1"], colo="north")
    return dataclasses.replace(TABLES, nodes={**TABLES.nodes, "east-1": node})


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (without_volume(NUMBER), f"volumes {NUMBER} are missing"),
        (volume_with(mirrors=OTHERS), f"volumes {NUMBER} keep none of their mirrors"),
        (moved_node(), "nodes east-1 change their colo"),
    ],
)
def test_what_loses_sight_of_photos_is_refused(wanted, words):
    """With what to do instead."""
    (refusal,) = refusals(TABLES, wanted)
    assert refusal.startswith(words)
    assert "; " in refusal


def test_a_volume_stays_in_as_many_colos():
    """Also when its moves have ended; another mirror in a colo that it has does not help."""
    third = dataclasses.replace(TABLES.nodes["east-2"], id="north-1", colo="north")
    tables = dataclasses.replace(TABLES, nodes={**TABLES.nodes, "north-1": third})
    before = volume_with(tables, mirrors=("east-1", "west-1", "north-1"))
    (refusal,) = refusals(before, volume_with(before, mirrors=("east-1", "east-2", "west-1")))
    assert refusal.startswith(f"volumes {NUMBER} would be in fewer colos than now; ")
    assert refusals(before, volume_with(before, leaving=("north-1",))) == [refusal]
    assert refusals(before, volume_with(before, joining=("east-2",), leaving=("east-1",))) == []


def test_a_removed_node_does_not_return():
    """Every later map keeps it apart, with its address, whatever an operator edits."""
    node = dataclasses.replace(TABLES.nodes["east-1"], id="east-3")
    with_node = dataclasses.replace(TABLES, nodes={**TABLES.nodes, "east-3": node})
    second = next_map(FIRST, with_node, why="")
    third = next_map(second, TABLES, why="")
    fourth = next_map(third, dataclasses.replace(third.tables, gone_nodes={}), why="")
    assert third.tables.gone_nodes == fourth.tables.gone_nodes == {"east-3": node}
    (refusal,) = refusals(fourth.tables, with_node)
    assert refusal.startswith("nodes east-3 were removed")


def test_one_mirror_that_stays_is_enough():
    """The others are filled from it."""
    assert refusals(TABLES, volume_with(mirrors=(MIRRORS[0], OTHERS[1]))) == []


def test_a_map_without_a_node_with_a_disk_is_refused():
    """It would be the last one: buckets do not vote."""
    buckets = {
        id_: dataclasses.replace(node, store=f"s3://photos/{id_}")
        for id_, node in TABLES.nodes.items()
    }
    (refusal,) = refusals(TABLES, dataclasses.replace(TABLES, nodes=buckets))
    assert refusal.endswith("keep a node with a disk")
    one_disk = dataclasses.replace(TABLES, nodes={**buckets, "east-1": TABLES.nodes["east-1"]})
    assert refusals(TABLES, one_disk) == []
