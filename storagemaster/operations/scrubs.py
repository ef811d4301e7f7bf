"""Scrub progress of the nodes, and requests for another pass."""

from collections.abc import Mapping
from typing import Any

from storagemaster.errors import BadArgument
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.node_queries import query_nodes
from storagenode.client import NodeClient
from volumes.cluster import Cluster, NodeId


class Scrubs:
    """The scrubs of all nodes."""

    def __init__(self, cluster: Cluster, nodes: Mapping[NodeId, NodeClient], fleet: Fleet) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet

    async def document(self, only: str = "", *, request_pass: bool = False) -> dict[str, Any]:
        """Return the scrub progress of one node or of all. `request_pass` first requests a pass.

        Raises:
            BadArgument: The cluster has no such node.
        """
        if only and only not in self._nodes:
            raise BadArgument(f"unknown node '{only}'; known nodes: {', '.join(self._nodes)}")
        found = await query_nodes(
            [NodeId(only)] if only else self._nodes,
            self._nodes,
            self._fleet,
            lambda _, node: node.scrub(start=request_pass),
        )
        return {
            "nodes": [
                {"node": node, "colo": self._cluster.nodes[node].colo, **progress}
                for node, progress in found.results.items()
            ],
            "unreachable": dict(found.unreachable),
        }
