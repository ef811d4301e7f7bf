"""Moves that give each node its share of the bytes of its colo.

A node may differ from the fill of the whole colo by a tolerance. Only nodes that differ more give
or take volumes, only as much as they must, and only if the fills become more alike. Therefore a
second plan after the first one is empty.
"""

import bisect
import itertools
from collections.abc import Iterable, Iterator, Mapping

from volumes.cluster import NodeId
from volumes.map.fill_order import FillOrder
from volumes.map.loads import Loads
from volumes.photo_path import VOLUME_MAX, VolumeId

Entry = tuple[int, VolumeId]
BySize = dict[NodeId, list[Entry]]


def movable_by_size(loads: Loads) -> BySize:
    """Return the volumes that can leave each node now, the smallest first."""
    found: BySize = {node: [] for node in loads.nodes}
    for number, volume in loads.volumes.items():
        for node in loads.homes_of(number):
            if loads.hindrance(volume, node) is None:
                found[node].append((loads.bytes_of(number), number))
    for entries in found.values():
        entries.sort()
    return found


class ColoBalance:
    """The balance of the nodes of one colo. All of them respond."""

    def __init__(
        self,
        loads: Loads,
        nodes: Iterable[NodeId],
        by_size: Mapping[NodeId, list[Entry]],
        within: float,
    ) -> None:
        self._loads = loads
        self._order = FillOrder(loads, nodes)
        self._shares = self._order.shares
        self._by_size = by_size
        used = sum(loads.used[node] for node in self._shares)
        mean = used / sum(self._shares.values()) if self._shares else 0.0
        self._least, self._most = (1 - within) * mean, (1 + within) * mean
        self._mean, self._matters = mean, within * max(mean, 1.0)

    def plan(self) -> Iterator[NodeId]:
        """Plan moves until no move helps; yield the nodes that still differ too much.

        A difference counts in parts of the disk: no volume of a cluster with few bytes may fit,
        and nothing is wrong.
        """
        while self._plan_one():
            pass
        for fill, node in self._order.entries:
            if abs(fill - self._mean) > self._matters:
                yield node

    def _plan_one(self) -> bool:
        """Plan the move between the two nodes that differ most; return False if none helps."""
        for high, source in reversed(self._order.entries):
            for low, target in self._order.entries:
                if low >= high or not (high > self._most or low < self._least):
                    break
                entry = self._volume_for(source, target)
                if entry is not None:
                    self._move(entry, source, target)
                    return True
        return False

    def _volume_for(self, source: NodeId, target: NodeId) -> Entry | None:
        """Return the smallest volume that is enough, or the largest one that is not too much."""
        used, fills = self._loads.used, self._order.fills
        give, take = self._shares[source], self._shares[target]
        needed = max(used[source] - self._most * give, self._least * take - used[target])
        # More would bring one of the two to the other side of its tolerance.
        fitting = min(used[source] - self._least * give, self._most * take - used[target])
        # More would make the fills no more alike.
        helping = 2 * (fills[source] - fills[target]) / (1 / give + 1 / take)
        entries: list[Entry] = self._by_size[source]
        enough = bisect.bisect_left(entries, (needed, 0))
        limit = min(
            bisect.bisect_left(entries, (helping, 0)),
            bisect.bisect_right(entries, (self._loads.space_left(target), VOLUME_MAX)),
        )
        end = min(bisect.bisect_right(entries, (fitting, VOLUME_MAX)), limit)
        for index in itertools.chain(
            range(enough, end), reversed(range(min(enough, end))), range(end, limit)
        ):
            if target not in self._loads.homes_of(entries[index][1]):
                return entries[index]
        return None

    def _move(self, entry: Entry, source: NodeId, target: NodeId) -> None:
        self._loads.move(entry[1], source, target)
        self._order.update(source, target)
        entries = self._by_size[source]
        del entries[bisect.bisect_left(entries, entry)]
        bisect.insort(self._by_size[target], entry)
