"""Filling of a cluster by the placement of a storagemaster, until a node takes no new photo."""

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.placement import Placement
from storagemaster.mirrors.weighted_volumes import Random, WeightedVolumes
from storagenode.disk.health import RESERVE_FRACTION, SOFT_MARK_RESERVES
from storagenode.protocol.wire import NodeStatus
from volumes.cluster import Cluster, NodeId

# Each round of placements fills this share of the fullest node's free space. The status is polled
# between rounds.
_SHARE_PER_ROUND = 0.25
_PLACEMENTS_PER_NODE = 10
# The fractional parts of its multiples cover the interval from 0 to 1 evenly.
_GOLDEN_RATIO = 0.618033988749895


@dataclass(frozen=True, slots=True)
class Filling:
    """Bytes on the nodes when the first of them takes no new photo."""

    stored_bytes: int
    raw_bytes: int

    @property
    def fraction(self) -> float:
        """The share of all disks that photos can fill."""
        return self.stored_bytes / self.raw_bytes


@dataclass(slots=True)
class _ModelNode:
    """A node whose status is its free space."""

    id: NodeId
    total_bytes: int
    free_bytes: int

    @property
    def accepts_new_photos(self) -> bool:
        """True until only the reserves are free."""
        return self.free_bytes > SOFT_MARK_RESERVES * RESERVE_FRACTION * self.total_bytes

    async def status(self, *, timeout_seconds: float) -> NodeStatus:
        """Return the status. A model answers at once."""
        del timeout_seconds
        return NodeStatus(
            node=self.id,
            uuid="",
            colo="",
            boot="",
            volumes=(),
            free_bytes=self.free_bytes,
            total_bytes=self.total_bytes,
            accepts_new_photos=self.accepts_new_photos,
            suspect_reason="",
            hints=0,
        )


def fill(cluster: Cluster, disk_bytes: tuple[int, ...]) -> Filling:
    """Place photos until one has no complete placement, or all disks are full."""
    sizes = itertools.cycle(disk_bytes)
    nodes = {
        id_: _ModelNode(id_, size, size) for id_, size in zip(cluster.nodes, sizes, strict=False)
    }
    fleet = Fleet(nodes)
    mirrors = Mirrors(cluster, {}, fleet, next(iter(cluster.nodes.values())).colo)
    volumes = WeightedVolumes(mirrors)
    random = _evenly().__next__
    is_full = False
    while not is_full:
        asyncio.run(fleet.poll())
        is_full = not _place_round(volumes, random, nodes)
    raw_bytes = sum(node.total_bytes for node in nodes.values())
    free_bytes = sum(node.free_bytes for node in nodes.values())
    return Filling(raw_bytes - free_bytes, raw_bytes)


def _place_round(
    volumes: WeightedVolumes, random: Random, nodes: Mapping[NodeId, _ModelNode]
) -> bool:
    """Place as many photos as the fullest node has room for; return False if one had no place."""
    accepting = [node for node in nodes.values() if node.accepts_new_photos]
    least_free_bytes = min((node.free_bytes for node in accepting), default=0)
    photo_bytes = int(least_free_bytes * _SHARE_PER_ROUND / _PLACEMENTS_PER_NODE)
    for _ in range(_PLACEMENTS_PER_NODE * len(nodes)):
        placed = volumes.place(random, strict=False)
        if not isinstance(placed, Placement) or not placed.is_complete:
            return False
        for target in placed.targets:
            nodes[target.node].free_bytes -= photo_bytes // len(placed.targets)
    return True


def _evenly() -> Iterator[float]:
    """Yield numbers from 0 to 1 in place of random ones, so that few placements are typical."""
    for number in itertools.count(1):
        yield number * _GOLDEN_RATIO % 1.0
