"""Measured sizes of volumes and disks, which plans of moves go by."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from volumes.cluster import NodeId
from volumes.photo_path import VolumeId


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpace:
    """The space of a node, as it reports it."""

    total_bytes: int
    free_bytes: int
    reserve_bytes: int
    """Free space that only deletes use. New photos need twice as much."""

    @property
    def usable_bytes(self) -> int:
        """Bytes that moves can fill."""
        return self.free_bytes - 2 * self.reserve_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """The facts of a cluster that a plan of moves needs."""

    bytes_of: Mapping[VolumeId, int]
    """Bytes of each volume on one mirror, without volumes that no comparison has measured."""
    space_of: Mapping[NodeId, NodeSpace]
    """The space of each node that responds."""
    unequal: Collection[VolumeId] = ()
    """Volumes whose mirrors differ, so that repair has to copy something first."""
    cold_nodes: Mapping[VolumeId, Collection[NodeId]] = field(default_factory=dict)
    """The cold nodes of each offloaded volume, which does not move."""
