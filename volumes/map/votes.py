"""Votes for the next volume map: each node keeps one, and more than half of them decide.

The voters are the nodes with a disk of the version before it. A node votes once for each version,
so two maps of one version never both have more than half of the votes. If all have voted and no map
has, the one with the most votes is elected: no vote changes, so that all who count agree.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from volumes.cluster import Node, NodeId
from volumes.map.volume_map import MapId


@dataclass(frozen=True, slots=True, kw_only=True)
class MapReport:
    """The maps that a node reports."""

    in_force: MapId | None
    """The newest map that it knows to be in force, or None for `cluster.toml`."""
    vote: MapId | None
    """The newest map that it keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Election:
    """The state of the votes for one version."""

    elected: MapId | None
    """The map that more than half of the voters keep, or the most of all of them."""
    votes: Mapping[MapId, tuple[NodeId, ...]]
    without: tuple[NodeId, ...]
    """Voters that keep no map of the version, or did not respond."""
    needed: int

    @property
    def leading(self) -> MapId | None:
        """The map with the most votes, or None without any."""
        return max(self.votes, key=lambda id_: (len(self.votes[id_]), id_.digest), default=None)

    @property
    def is_stuck(self) -> bool:
        """True if no map can have more than half of the votes, so that every voter must vote."""
        most = max(map(len, self.votes.values()), default=0)
        return self.elected is None and most + len(self.without) < self.needed


def voters(nodes: Mapping[NodeId, Node]) -> tuple[NodeId, ...]:
    """Return the nodes that vote, in the order in which a map is sent to them."""
    return tuple(sorted(id_ for id_, node in nodes.items() if node.bucket is None))


def election(
    version: int, nodes: Mapping[NodeId, Node], reports: Mapping[NodeId, MapReport]
) -> Election:
    """Return the state of the votes for a version. `nodes` are from the version before it."""
    votes: dict[MapId, tuple[NodeId, ...]] = {}
    without = []
    entitled = voters(nodes)
    for node in entitled:
        vote = reports[node].vote if node in reports else None
        if vote is None or vote.version != version:
            without.append(node)
        else:
            votes[vote] = (*votes.get(vote, ()), node)
    needed = len(entitled) // 2 + 1
    found = Election(elected=None, votes=votes, without=tuple(without), needed=needed)
    leading = found.leading
    is_elected = leading is not None and (len(votes[leading]) >= needed or not without)
    return dataclasses.replace(found, elected=leading) if is_elected else found


def newest_in_force(reports: Mapping[NodeId, MapReport], *, than: MapId) -> MapId | None:
    """Return the newest map in force that a node knows, if it is newer than the given one."""
    known = [each.in_force for each in reports.values() if each.in_force is not None]
    newest = max(known, key=lambda id_: id_.version, default=than)
    return newest if newest.version > than.version else None


def lagging(reports: Mapping[NodeId, MapReport], *, in_force: MapId) -> tuple[NodeId, ...]:
    """Return the nodes that do not know that a map is in force."""
    return tuple(
        node
        for node, report in reports.items()
        if report.in_force is None or report.in_force.version < in_force.version
    )
