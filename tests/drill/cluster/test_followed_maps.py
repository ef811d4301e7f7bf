"""A drill uses the map in force for its checks."""

from drill.cluster.drill_cluster import DrillCluster
from drill.cluster.links import Links
from glassplate.local.cluster import prepare_on_free_ports
from volumes.cluster import NodeId
from volumes.map.changes import next_map
from volumes.map.edits import without_node
from volumes.map.map_text import render_map
from volumes.map.moves import Move, with_moves
from volumes.map.volume_map import map_of

DEAD, NEW = NodeId("east-1"), NodeId("east-2")


def test_a_removed_node_is_no_part_of_the_checks(tmp_path):
    """Its volumes are expected on their new mirrors, and nothing is read from its disk."""
    drill_cluster = DrillCluster(prepare_on_free_ports(tmp_path), Links([]), {})
    root = drill_cluster.root(NEW)
    first = map_of(drill_cluster.cluster)
    held = [n for n, volume in first.tables.volumes.items() if DEAD in volume.mirrors]
    moves = [Move(volume=n, source=DEAD, target=NEW, bytes=0, source_is_dead=True) for n in held]
    tables = without_node(with_moves(first.tables, moves), DEAD)
    second = next_map(first, tables, why="replaced")
    drill_cluster.follow_map({"version": 2, "text": render_map(second)})
    assert {drill_cluster.cluster.volumes[n].mirrors[0] for n in held} == {NEW}
    assert DEAD not in drill_cluster.stores.keys() | drill_cluster.cluster.nodes.keys()
    assert drill_cluster.root(NEW) == root
    assert DEAD not in {process.plan.name for process in drill_cluster.local.processes}
    drill_cluster.follow_map({"version": 1, "text": None})
    assert drill_cluster.cluster.map_version == second.version
