"""Moves of volumes between nodes, and the maps that begin them."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from volumes.cluster import NodeId, Volume
from volumes.config.map_tables import MapTables
from volumes.photo_path import VolumeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A volume that leaves one node and joins another."""

    volume: VolumeId
    source: NodeId
    target: NodeId
    bytes: int
    source_is_dead: bool = False
    """True if nothing can be copied from the source: the target is a mirror at once, yet empty."""

    def applied_to(self, volume: Volume) -> Volume:
        """Return the volume with the move begun."""
        if self.source_is_dead:
            mirrors = (self.target if id_ == self.source else id_ for id_ in volume.mirrors)
            return dataclasses.replace(volume, mirrors=tuple(mirrors))
        return dataclasses.replace(
            volume,
            joining=(*volume.joining, self.target),
            leaving=(*volume.leaving, self.source),
        )


def with_moves(tables: MapTables, moves: Iterable[Move]) -> MapTables:
    """Return the tables with moves begun."""
    volumes = dict(tables.volumes)
    for move in moves:
        volumes[move.volume] = move.applied_to(volumes[move.volume])
    return dataclasses.replace(tables, volumes=volumes)


def with_moves_ended(tables: MapTables) -> MapTables:
    """Return the tables as they are when every move under way has ended."""
    volumes = {
        number: dataclasses.replace(volume, mirrors=volume.mirrors_after, joining=(), leaving=())
        for number, volume in tables.volumes.items()
    }
    return dataclasses.replace(tables, volumes=volumes)
