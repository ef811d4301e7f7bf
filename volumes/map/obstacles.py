"""Obstacles to moves: what a plan leaves as it is, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from volumes.cluster import NodeId
from volumes.photo_path import VolumeId
from volumes.volume_ranges import ranges_of, render_volume_ranges


class Hindrance(Enum):
    """The kind of an obstacle. The value has the reason, and what to do."""

    UNDER_WAY = "they move already; plan again when `glassplate moves` is empty"
    MIRROR_DOWN = "one of their mirrors is down; repair or replace it first"
    NOT_MEASURED = "their bytes are not known yet; wait until their mirrors have been compared"
    UNEQUAL = "their mirrors differ; wait until they are repaired"
    OFFLOADED = "they are offloaded; recall them first"
    LAST_MIRROR = "no other mirror of them is left; bring a disk of one of them back"
    NO_COLO = "no node is left in a colo without them; add a node there, or a colo"
    NO_SPACE = "no other node has the space for them; add a node, or a larger disk"
    NODE_DOWN = "it is down, so that its colo is not balanced; repair or replace it first"
    UNEVEN = "it keeps more or less than its share: no volume fits; add nodes, or open more volumes"

    @property
    def passes(self) -> bool:
        """True if the cluster removes it by itself."""
        return self in {Hindrance.UNDER_WAY, Hindrance.NOT_MEASURED, Hindrance.UNEQUAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Volumes that stay on a node although they should leave it, or a node with another share."""

    hindrance: Hindrance
    node: NodeId
    volumes: tuple[VolumeId, ...] = ()

    def __str__(self) -> str:
        if not self.volumes:
            return f"node {self.node}: {self.hindrance.value}"
        numbers = render_volume_ranges(ranges_of(self.volumes))
        return f"volumes {numbers} stay on node {self.node}: {self.hindrance.value}"


def obstacles_of(
    hindered: Iterable[tuple[Hindrance, NodeId, VolumeId]],
) -> tuple[Obstacle, ...]:
    """Return one obstacle for each kind and node, with its volumes in order."""
    volumes: dict[tuple[Hindrance, NodeId], list[VolumeId]] = {}
    for hindrance, node, volume in hindered:
        volumes.setdefault((hindrance, node), []).append(volume)
    return tuple(
        Obstacle(hindrance=hindrance, node=node, volumes=tuple(sorted(numbers)))
        for (hindrance, node), numbers in volumes.items()
    )
