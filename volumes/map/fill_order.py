"""Nodes in the order of their fill: their bytes, divided by their share."""

import bisect
from collections.abc import Iterable

from volumes.cluster import NodeId
from volumes.map.loads import Loads


class FillOrder:
    """Nodes that take volumes, the least filled first."""

    def __init__(self, loads: Loads, nodes: Iterable[NodeId]) -> None:
        self._used = loads.used
        shares = {node: loads.share_of(node) for node in nodes}
        self.shares = {node: share for node, share in shares.items() if share > 0}
        self.fills = {node: self._used[node] / share for node, share in self.shares.items()}
        self.entries = sorted((fill, node) for node, fill in self.fills.items())

    def update(self, *nodes: NodeId) -> None:
        """Put nodes in their place after their bytes changed."""
        for node in nodes:
            del self.entries[bisect.bisect_left(self.entries, (self.fills[node], node))]
            self.fills[node] = self._used[node] / self.shares[node]
            bisect.insort(self.entries, (self.fills[node], node))
