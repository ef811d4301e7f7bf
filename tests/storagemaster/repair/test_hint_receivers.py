"""Hints whose receivers are no longer, or not yet, in the volume map."""

import pytest

from storagemaster.repair import hinted_handoff
from tests.storagemaster.repair.test_hint_deliveries import OF, ORIGINALS, Cluster
from volumes.photo_path import VersionTombstone


@pytest.fixture(name="cluster")
def _cluster(monkeypatch):
    monkeypatch.setattr(hinted_handoff, "PULLS_AT_ONCE", 1)
    return Cluster()


async def test_hints_for_what_has_left_the_map_go_to_a_mirror(cluster):
    """A node that was removed, and an edge, whose purges are tombstones: none waits forever."""
    cluster.hold("north", "lost", ORIGINALS[0], VersionTombstone(OF[1]))
    cluster.hold("north", "e9", VersionTombstone(OF[2]))
    cluster.hold("east", "lost", ORIGINALS[3])
    assert await cluster.deliver("tombstone", "pull") == [
        ("east", "tombstone", VersionTombstone(OF[1])),
        ("east", "tombstone", VersionTombstone(OF[2])),
        ("west", "pull", ORIGINALS[3]),
        ("east", "pull", ORIGINALS[0]),
    ]
    assert not any(hints for node in cluster.nodes.values() for hints in node.hints.values())


async def test_a_holder_with_a_newer_map_keeps_hints_for_unknown_nodes(cluster):
    """They can be for a node that this storagemaster is about to know."""
    cluster.hold("north", "new", ORIGINALS[0])
    cluster.nodes["north"].status.map_version = 2
    assert await cluster.deliver("pull") == []
    cluster.map_version = 2
    assert await cluster.deliver("pull") == [("east", "pull", ORIGINALS[0])]
