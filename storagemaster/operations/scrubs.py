"""Scrub progress of the nodes, and requests for another pass."""

from typing import Any

from storagemaster.errors import BadArgument
from storagemaster.mirrors.mirrors import OPERATOR_PATIENCE_SECONDS, Mirrors
from volumes.cluster import NodeId


class Scrubs:
    """The scrubs of all nodes."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def document(self, only: str = "", *, request_pass: bool = False) -> dict[str, Any]:
        """Return the scrub progress of one node or of all. `request_pass` first requests a pass.

        Raises:
            BadArgument: The cluster has no such node.
        """
        nodes = self._mirrors.everywhere
        if only and only not in nodes:
            raise BadArgument(f"unknown node '{only}'; known nodes: {', '.join(nodes)}")
        found = await self._mirrors.query(
            [NodeId(only)] if only else nodes,
            lambda _, node: node.scrub(start=request_pass),
            patience_seconds=OPERATOR_PATIENCE_SECONDS,
        )
        return {
            "nodes": [
                {"node": node, "colo": self._mirrors.cluster.node(node).colo, **progress}
                for node, progress in found.results.items()
            ],
            "unreachable": dict(found.unreachable),
        }
