"""How far the nodes' scrubs are, and having another pass begin."""

from typing import Any

from storagemaster.errors import BadArgument
from storagemaster.mirrors.mirrors import Mirrors
from volumes.cluster import NodeId


class Scrubs:
    """Asks nodes for their scrubs."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def document(self, only: str = "", *, ask: bool = False) -> dict[str, Any]:
        """The progress of one node's scrub, or of all; `ask` has another pass begin first.

        Raises:
            BadArgument: There is no such node.
        """
        if only and only not in self._mirrors.nodes:
            raise BadArgument(
                f"unknown node {only!r}; known nodes: {', '.join(self._mirrors.nodes)}"
            )
        answers = await self._mirrors.query(
            [NodeId(only)] if only else self._mirrors.nodes, lambda _, node: node.scrub(ask=ask)
        )
        return {
            "nodes": [
                {"node": node, "colo": self._mirrors.cluster.nodes[node].colo, **progress}
                for node, progress in answers.results.items()
            ],
            "unreachable": dict(answers.unreachable),
        }
