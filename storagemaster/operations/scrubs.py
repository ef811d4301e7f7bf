"""How far the nodes' scrubs are, and having another pass begin."""

from collections.abc import Mapping
from typing import Any

from storagemaster.errors import BadArgument
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.node_queries import query_nodes
from storagenode.client import NodeClient
from volumes.cluster import Cluster, NodeId


class Scrubs:
    """Asks nodes for their scrubs."""

    def __init__(self, cluster: Cluster, nodes: Mapping[NodeId, NodeClient], fleet: Fleet) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet

    async def document(self, only: str = "", *, ask: bool = False) -> dict[str, Any]:
        """The progress of one node's scrub, or of all; `ask` has another pass begin first.

        Raises:
            BadArgument: There is no such node.
        """
        if only and only not in self._nodes:
            raise BadArgument(f"there is no node {only}; there are {', '.join(self._nodes)}")
        answers = await query_nodes(
            [NodeId(only)] if only else self._nodes,
            self._nodes,
            self._fleet,
            lambda _, node: node.scrub(start=ask),
        )
        return {
            "nodes": [
                {"node": node, "colo": self._cluster.nodes[node].colo, **progress}
                for node, progress in answers.results.items()
            ],
            "unreachable": dict(answers.unreachable),
        }
