"""Moves from nodes that all volumes leave, because they are drained or dead."""

from collections.abc import Iterable, Iterator, Mapping

from volumes.cluster import Colo, NodeId
from volumes.map.fill_order import FillOrder
from volumes.map.loads import Loads
from volumes.map.obstacles import Hindrance
from volumes.photo_path import VolumeId


class Relocation:
    """The moves from drained and dead nodes to the others."""

    def __init__(self, loads: Loads, onto: Mapping[NodeId, NodeId]) -> None:
        """Plan moves in `loads`. `onto` has the one target of each replaced node."""
        self._loads = loads
        self._onto = onto
        self._colos = {colo: FillOrder(loads, nodes) for colo, nodes in loads.colo_nodes().items()}

    def plan(
        self, leaving: Iterable[tuple[VolumeId, NodeId]]
    ) -> Iterator[tuple[Hindrance, NodeId, VolumeId]]:
        """Plan a move for each volume that leaves a node; yield what cannot move.

        The largest volumes are first, each to the least filled node of its colo or, if none has
        the space, of a colo without the volume.
        """
        loads = self._loads
        for number, source in sorted(leaving, key=lambda each: (-loads.bytes_of(each[0]), each)):
            found = loads.hindrance(loads.volumes[number], source) or self._target(number, source)
            if isinstance(found, Hindrance):
                yield found, source, number
            else:
                loads.move(number, source, found)
                self._colos[loads.nodes[found].colo].update(found)

    def _target(self, number: VolumeId, source: NodeId) -> NodeId | Hindrance:
        """Return the least filled node that can take a volume, or why no node can."""
        nodes = self._loads.nodes
        others = {nodes[node].colo for node in self._loads.homes_of(number) if node != source}
        own = nodes[source].colo
        colos = self._colos.keys() if own in others else self._colos.keys() - others
        for some in ({own}, colos - {own}):
            with_space = (next(self._possible(colo, number, source), None) for colo in some)
            if found := [entry for entry in with_space if entry is not None]:
                return min(found)[1]
        without_space = (self._possible(colo, number, source, bytes_free=False) for colo in colos)
        is_possible = any(True for entries in without_space for _ in entries)
        return Hindrance.NO_SPACE if is_possible else Hindrance.NO_COLO

    def _possible(
        self, colo: Colo, number: VolumeId, source: NodeId, *, bytes_free: bool = True
    ) -> Iterator[tuple[float, NodeId]]:
        """Yield the nodes of a colo that can take a volume, the least filled first."""
        homes, only = self._loads.homes_of(number), self._onto.get(source)
        for entry in self._colos[colo].entries:
            node = entry[1]
            is_possible = node not in homes and only in {None, node}
            if is_possible and (not bytes_free or self._loads.has_space(node, number)):
                yield entry
