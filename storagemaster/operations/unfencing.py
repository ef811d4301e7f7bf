"""Fences that an operator lets fall, because the tombstones behind them stay unknown."""

from typing import TypedDict

from storagemaster.errors import BadArgument, NotAllowed, Unavailable
from storagemaster.mirrors.mirrors import Mirrors
from storagenode.protocol.errors import NodeError
from volumes.cluster import NodeId


class Unfenced(TypedDict):
    """A node whose fence an operator has dropped."""

    node: str
    volumes: int
    """Number of volumes that it serves since, although it may have missed deletes."""


class Unfencing:
    """The fences of all nodes."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def unfence(self, node: str) -> Unfenced:
        """Drop the fence of a node; return how many volumes it serves since.

        Raises:
            BadArgument: The cluster has no such node.
            NotAllowed: The config says that no fence falls.
            Unavailable: The node did not respond.
        """
        known = self._mirrors.everywhere
        if node not in known:
            raise BadArgument(f"unknown node '{node}'; known nodes: {', '.join(known)}")
        if self._mirrors.cluster.strict_deletes:
            raise NotAllowed(
                "with [deletes] strict = true, a node serves nothing until it has all tombstones: "
                "start the other mirrors of its volumes, or take lost ones out of the map"
            )
        try:
            return {"node": node, "volumes": await self._mirrors.nodes[NodeId(node)].drop_fence()}
        except NodeError as error:
            raise Unavailable(f"node {node} keeps its fence: {error}; try again") from error
