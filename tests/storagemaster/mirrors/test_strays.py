"""Volumes on nodes that the map does not give them to."""

from dataclasses import replace

from storagemaster.mirrors.strays import find_strays
from tests.storagemaster.mirrors.test_placement import cluster_of, view

VOLUMES = {1: ("e1", "w1"), 2: ("e2", "w2")}


def views_with(node, volumes, *, up):
    """Return views in which one node holds these volumes, and the others theirs."""
    held = {id_: (1,) if id_.endswith("1") else (2,) for id_ in ("e1", "e2", "w1", "w2")}
    found = {}
    for id_, numbers in (held | {node: volumes}).items():
        seen = view(up=up if id_ == node else True)
        found[id_] = replace(seen, status=replace(seen.status, volumes=numbers))
    return found


def test_a_volume_that_is_left_on_a_node_is_a_stray():
    """Also while the node is down: its disk may hold photos that no mirror has."""
    for up in (True, False):
        views = views_with("e1", (1, 2), up=up)
        assert find_strays(cluster_of(volumes=VOLUMES), views) == {2: ["e1"]}


def test_all_volumes_of_a_removed_node_are_strays():
    """It is in the views while it responds."""
    views = views_with("e9", (1,), up=True)
    assert find_strays(cluster_of(volumes=VOLUMES), views) == {1: ["e9"]}
