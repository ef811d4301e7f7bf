"""Choice of the volume of a new photo, at a cost that does not depend on the number of volumes.

Twice the free space makes a volume twice as likely. The free space of a volume is that of its
fullest mirror, times the weight of the node, divided by the volumes there. A volume that moves, or
has a draining mirror, takes photos only if hardly another one can. Volumes with the same mirrors
are alike and share one weight. Each poll of the fleet makes the sums of the weights, in which a
draw is a binary search.
"""

import bisect
import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from permission_urls import VolumeRanges, is_in_ranges
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.placement import (
    NoPlacement,
    Placement,
    Views,
    place_photo,
    synchronous_mirrors,
)
from volumes.cluster import Cluster, NodeId, Volume

Random = Callable[[], float]


@dataclass(frozen=True, slots=True)
class AlikeVolumes:
    """The open volumes with the same mirrors."""

    mirrors: tuple[NodeId, ...]
    synchronous: tuple[NodeId, ...]
    volumes: Sequence[Volume]
    is_moving: bool

    def draw(self, random: Random) -> Volume:
        """Return any of the volumes."""
        return self.volumes[int(random() * len(self.volumes))]


class Weights:
    """Groups of volumes by weight, for random draws."""

    def __init__(self, groups: Collection[AlikeVolumes], free_bytes: Mapping[NodeId, int]) -> None:
        self._groups = tuple(groups)
        self._weights = [
            1
            if group.is_moving
            else max(min(free_bytes[node] for node in group.mirrors), 1) * len(group.volumes)
            for group in self._groups
        ]
        self._sums = list(itertools.accumulate(self._weights))

    def draw(self, random: Random) -> AlikeVolumes:
        """Return one group; twice the weight is drawn twice as often."""
        index = bisect.bisect_right(self._sums, random() * self._sums[-1])
        # The product can be rounded up to the sum of all weights.
        return self._groups[min(index, len(self._groups) - 1)]

    def draw_all(self, random: Random) -> Iterator[AlikeVolumes]:
        """Yield every group once, each drawn from the remaining groups.

        The keys after the first draw are from Efraimidis and Spirakis (2006), "Weighted random
        sampling with a reservoir".
        """
        if not self._groups:
            return
        first = self.draw(random)
        yield first
        keys = [math.log(random() or 1e-300) / weight for weight in self._weights]
        order = sorted(range(len(keys)), key=keys.__getitem__, reverse=True)
        yield from (self._groups[index] for index in order if self._groups[index] is not first)


class WeightedVolumes:
    """The open volumes of a cluster, or of ranges of it, weighted by their free space."""

    def __init__(self, mirrors: Mirrors, ranges: VolumeRanges | None = None) -> None:
        self._mirrors = mirrors
        self._fleet = mirrors.fleet
        cluster = mirrors.cluster
        self._volumes_per_node: dict[NodeId, int] = dict.fromkeys(cluster.nodes, 0)
        alike: dict[tuple[tuple[NodeId, ...], bool], list[Volume]] = {}
        for volume in cluster.volumes.values():
            for node in volume.mirrors:
                self._volumes_per_node[node] += 1
            if volume.state.accepts_new_photos and is_in_ranges(volume.number, ranges):
                alike.setdefault((volume.mirrors, _moves(cluster, volume)), []).append(volume)
        self._groups = [
            AlikeVolumes(nodes, synchronous_mirrors(cluster, volumes[0]), volumes, is_moving)
            for (nodes, is_moving), volumes in alike.items()
        ]
        self._weigh()

    def place(self, random: Random, *, strict: bool) -> Placement | NoPlacement:
        """Return a placement in a volume whose mirrors are all up, drawn by free space.

        Without such a volume, return one with handoff nodes. A strict placement spans two colos.
        """
        if self._polls != self._fleet.polls:
            self._weigh()
        views = self._fleet.view()
        if self._is_complete:
            volume = self._weights.draw(random).draw(random)
            placed = place_photo(self._mirrors.cluster, views, [volume], strict=strict)
            if isinstance(placed, Placement) and placed.is_complete:
                return placed
            # One of its nodes went down after the poll.
            self._weigh()
        return self._place_first(views, random, strict=strict)

    def _place_first(
        self, views: Views, random: Random, *, strict: bool
    ) -> Placement | NoPlacement:
        """Return a placement in the first drawn volume that has one."""
        colos = {self._mirrors.cluster.node(node).colo for node in _able(views)}
        # Without a second colo, no volume has a strict placement.
        groups = self._weights.draw_all(random) if len(colos) > 1 or not strict else ()
        for group in groups:
            placed = place_photo(self._mirrors.cluster, views, [group.draw(random)], strict=strict)
            if isinstance(placed, Placement):
                return placed
        return place_photo(self._mirrors.cluster, views, [], strict=strict)

    def _weigh(self) -> None:
        """Weigh the complete volumes or, if no volume is complete, those with a mirror."""
        self._polls = self._fleet.polls
        views = self._fleet.view()
        able = _able(views)
        complete = [group for group in self._groups if able.issuperset(group.synchronous)]
        self._is_complete = bool(complete)
        cluster = self._mirrors.cluster
        self._weights = Weights(
            complete or [group for group in self._groups if not able.isdisjoint(group.synchronous)],
            {
                node: int(views[node].free_bytes * cluster.node(node).weight) // max(count, 1)
                for node, count in self._volumes_per_node.items()
            },
        )


def _moves(cluster: Cluster, volume: Volume) -> bool:
    """Return True if the volume moves, or will."""
    is_leaving = any(not cluster.node(node).state.accepts_volumes for node in volume.mirrors)
    return bool(volume.joining or volume.leaving or is_leaving)


def _able(views: Views) -> set[NodeId]:
    return {node for node, view in views.items() if view.accepts_new_photos}
