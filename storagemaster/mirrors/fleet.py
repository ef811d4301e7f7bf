"""What this storagemaster knows of the nodes: who answered last, and what they said."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from storagenode.protocol.wire import NodeStatus
from volumes.cluster import NodeId, Volume
from volumes.cold_tier import ColdTier, parse_cold_tier
from volumes.photo_path import VolumeId

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
# A healthy node answers in milliseconds; one that takes longer would hold up an upload as well.
ANSWER_SECONDS = 0.5


class StatusSource(Protocol):
    """A node as the fleet needs it."""

    async def status(self, *, timeout_seconds: float) -> NodeStatus:
        """What the node says of itself, or `NodeError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node at one moment. `status` is the last it gave, also when it is down now."""

    up: bool
    status: NodeStatus | None
    reason: str = ""

    @property
    def accepts_new_photos(self) -> bool:
        """Whether new photos may be placed there."""
        return self.up and self.status is not None and self.status.accepts_new_photos

    @property
    def writable(self) -> bool:
        """Whether it takes writes at all: sizes, tombstones, owed copies."""
        return self.up and self.status is not None and not self.status.suspect_reason

    @property
    def free_bytes(self) -> int:
        """Free bytes, as it last said."""
        return self.status.free_bytes if self.status else 0


UNKNOWN = NodeView(up=False, status=None, reason="has not answered yet")


class Fleet:
    """Asks every node for its status, once a second, and remembers the answers."""

    def __init__(self, nodes: Mapping[NodeId, StatusSource]) -> None:
        self._nodes = nodes
        self._views: dict[NodeId, NodeView] = dict.fromkeys(nodes, UNKNOWN)

    def view(self) -> dict[NodeId, NodeView]:
        """All nodes as last seen."""
        return dict(self._views)

    def is_up(self, node: NodeId) -> bool:
        """Whether the node answered when it was last asked for anything."""
        return self._views[node].up

    def cold_tier_of(self, volume: VolumeId) -> ColdTier | None:
        """How a volume is chilled, by the word of any node that has said so."""
        for _, view in sorted(self._views.items()):
            if view.status is not None and str(volume) in view.status.cold_tiers:
                return parse_cold_tier(view.status.cold_tiers[str(volume)])
        return None

    def full_mirrors(self, volume: Volume) -> list[NodeId]:
        """The mirrors that are up and are to have all of a volume."""
        cold_tier = self.cold_tier_of(volume.number)
        return [
            node
            for node in volume.mirrors
            if self.is_up(node) and (cold_tier is None or node in cold_tier.cold_nodes)
        ]

    def mark_down(self, node: NodeId, reason: str) -> None:
        """A request to the node had no answer: take it as down until it answers again."""
        view = self._views[node]
        if view.up:
            log.warning("node %s is down: %s", node, reason)
        self._views[node] = NodeView(up=False, status=view.status, reason=reason)

    async def poll(self) -> None:
        """Ask all nodes at once."""
        await asyncio.gather(*(self._poll_one(node) for node in self._nodes))

    async def _poll_one(self, node: NodeId) -> None:
        try:
            status = await self._nodes[node].status(timeout_seconds=ANSWER_SECONDS)
        except Exception as error:  # noqa: BLE001  # who answers nonsense is no node of ours
            self.mark_down(node, str(error) or type(error).__name__)
            return
        if status.node != node:
            self.mark_down(node, f"it says that it is {status.node}")
            return
        if not self._views[node].up:
            log.info("node %s is up", node)
        self._views[node] = NodeView(up=True, status=status, reason=status.suspect_reason)
