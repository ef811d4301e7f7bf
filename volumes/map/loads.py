"""Loads of the nodes while a plan of moves is made."""

from collections import Counter
from collections.abc import Collection, Iterator

from volumes.cluster import Colo, NodeId, Volume
from volumes.config.map_tables import MapTables
from volumes.map.measurements import Measurements
from volumes.map.moves import Move
from volumes.map.obstacles import Hindrance
from volumes.photo_path import VolumeId

# An empty volume will fill, so new nodes of an empty cluster also get their share of them.
VOLUME_BYTES_MIN = 64 * 1024


class Loads:
    """The bytes of each node, and the homes of each volume, after the moves planned so far.

    A home is a mirror that stays, or a node that joins.
    """

    def __init__(
        self, tables: MapTables, measured: Measurements, *, dead: Collection[NodeId] = ()
    ) -> None:
        self.nodes = tables.nodes
        self.volumes = tables.volumes
        self.dead = frozenset(dead)
        self._measured = measured
        self._homes = {number: each.mirrors_after for number, each in tables.volumes.items()}
        self._homes_before: dict[VolumeId, tuple[NodeId, ...]] = {}
        """The homes of volumes that move, as they were before the plan."""
        self.used: dict[NodeId, int] = dict.fromkeys(tables.nodes, 0)
        self.volumes_on: dict[NodeId, list[VolumeId]] = {id_: [] for id_ in tables.nodes}
        """The homes before the plan, by node."""
        self._arriving: dict[NodeId, int] = dict.fromkeys(tables.nodes, 0)
        """Bytes that arrive. Bytes that leave are free only after their time in the trash."""
        for number, homes in self._homes.items():
            for node in homes:
                self.used[node] += self.bytes_of(number)
                self.volumes_on[node].append(number)
            for node in tables.volumes[number].joining:
                self._arriving[node] += self.bytes_of(number)

        self.used_before = dict(self.used)

    def bytes_of(self, volume: VolumeId) -> int:
        """Return the bytes of a volume on one of its homes."""
        return max(self._measured.bytes_of.get(volume, 0), VOLUME_BYTES_MIN)

    def homes_of(self, volume: VolumeId) -> tuple[NodeId, ...]:
        """Return the homes of a volume."""
        return self._homes[volume]

    def share_of(self, node: NodeId) -> float:
        """Return the weight of a node in bytes of its disk; 0 if it takes no volumes."""
        space = self._measured.space_of.get(node)
        if space is None or self.is_leaving(node):
            return 0.0
        return self.nodes[node].weight * space.total_bytes

    def is_leaving(self, node: NodeId) -> bool:
        """Return True if all volumes leave the node."""
        return node in self.dead or not self.nodes[node].state.accepts_volumes

    def is_measured(self, node: NodeId) -> bool:
        """Return True if the node responds."""
        return node in self._measured.space_of

    def hindrance(self, volume: Volume, source: NodeId) -> Hindrance | None:
        """Return the reason why a volume cannot leave a node now, or None."""
        if volume.joining or volume.leaving:
            return Hindrance.UNDER_WAY
        cold_nodes = self._measured.cold_nodes.get(volume.number, ())
        if source in cold_nodes or (cold_nodes and source not in self.dead):
            return Hindrance.OFFLOADED
        others = [node for node in volume.mirrors if node not in self.dead]
        if not others:
            return Hindrance.LAST_MIRROR
        if not all(map(self.is_measured, others)):
            return Hindrance.MIRROR_DOWN
        if volume.number not in self._measured.bytes_of:
            return Hindrance.NOT_MEASURED
        # A dead mirror cannot be repaired before it is replaced.
        if volume.number in self._measured.unequal and source not in self.dead:
            return Hindrance.UNEQUAL
        return None

    def has_space(self, node: NodeId, volume: VolumeId) -> bool:
        """Return True if the node keeps twice its reserve after all moves planned to it."""
        return self.bytes_of(volume) <= self.space_left(node)

    def space_left(self, node: NodeId) -> int:
        """Return the bytes that more moves can fill."""
        space = self._measured.space_of.get(node)
        return 0 if space is None else space.usable_bytes - self._arriving[node]

    def move(self, volume: VolumeId, source: NodeId, target: NodeId) -> None:
        """Plan a move."""
        homes = self._homes[volume]
        before = self._homes_before.setdefault(volume, homes)
        self._homes[volume] = tuple(target if node == source else node for node in homes)
        size = self.bytes_of(volume)
        self.used[source] -= size
        self.used[target] += size
        if source not in before:
            self._arriving[source] -= size
        if target not in before:
            self._arriving[target] += size

    def moves(self) -> Iterator[Move]:
        """Yield one move for each home that changes, by volume."""
        for number, before in sorted(self._homes_before.items()):
            for source, target in self._paired(before, self._homes[number]):
                yield Move(
                    volume=number,
                    source=source,
                    target=target,
                    bytes=self._measured.bytes_of.get(number, 0),
                    source_is_dead=source in self.dead,
                )

    def _paired(
        self, before: Collection[NodeId], after: Collection[NodeId]
    ) -> Iterator[tuple[NodeId, NodeId]]:
        """Yield each home that leaves with one that joins, so that each move alone is allowed.

        They are of one colo if possible. Otherwise, a home that is alone in its colo is replaced by
        one in a colo without the volume.
        """
        sources = [node for node in before if node not in after]
        targets = [node for node in after if node not in before]
        for source in tuple(sources):
            for target in tuple(targets):
                if source in sources and self._colo(source) == self._colo(target):
                    sources.remove(source)
                    targets.remove(target)
                    yield source, target
        colos = Counter(map(self._colo, before))
        sources.sort(key=lambda node: colos[self._colo(node)])
        targets.sort(key=lambda node: colos[self._colo(node)])
        yield from zip(sources, targets, strict=True)

    def _colo(self, node: NodeId) -> Colo:
        return self.nodes[node].colo

    def colo_nodes(self) -> dict[Colo, list[NodeId]]:
        """Return the nodes of each colo."""
        found: dict[Colo, list[NodeId]] = {}
        for node in sorted(self.nodes.values(), key=lambda each: each.id):
            found.setdefault(node.colo, []).append(node.id)
        return found
