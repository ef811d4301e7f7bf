"""Last known status of the nodes, polled once a second."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from runtime.quantities import quantity
from storagenode.protocol.wire import NodeStatus
from volumes.cluster import NodeId, Volume
from volumes.cold_tier import ColdTier, parse_cold_tier
from volumes.photo_path import VolumeId

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
# A healthy node responds in milliseconds. A slower one would delay uploads as well.
RESPONSE_SECONDS = 0.5
# A removed node that is down is looked for once in these polls: most machines never return.
POLLS_PER_LOOK = 30


class StatusSource(Protocol):
    """The part of a node's client that the fleet uses."""

    async def status(self, *, timeout_seconds: float) -> NodeStatus:
        """Return the status of the node, or raise `NodeError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node at one moment. `status` is its last one, even if the node is down now."""

    up: bool
    status: NodeStatus | None
    reason: str = ""

    @property
    def accepts_new_photos(self) -> bool:
        """True if new photos can be placed on the node."""
        return self.up and self.status is not None and self.status.accepts_new_photos

    @property
    def writable(self) -> bool:
        """True if the node accepts sizes, tombstones, and hints."""
        return self.up and self.status is not None and not self.status.suspect_reason

    @property
    def free_bytes(self) -> int:
        """Free bytes by its last status."""
        return self.status.free_bytes if self.status else 0


class AnotherNode(Exception):
    """A node responded at the address of another one, or with the root of another one."""


UNKNOWN = NodeView(up=False, status=None, reason="has not responded yet")
LEFT = NodeView(up=False, status=None, reason="has left the volume map")


class Views(dict[NodeId, NodeView]):
    """The views of the nodes of the map, and of removed ones that respond: they may have files.

    Any other node has left the map. A request by an earlier map may name it.
    """

    def __missing__(self, node: NodeId) -> NodeView:
        """Return the view of a node that has left."""
        return LEFT


class Fleet:
    """Status of every node. Requests that fail in between mark a node as down."""

    def __init__(
        self,
        nodes: Mapping[NodeId, StatusSource],
        uuid_of: Callable[[NodeId], str] = lambda _: "",
    ) -> None:
        """Take the clients of all nodes.

        `uuid_of` returns the uuid that the config requires of the marker of a node; empty accepts
        any.
        """
        self._nodes = nodes
        self._members: Container[NodeId] = nodes
        self._uuid_of = uuid_of
        self._views: Mapping[NodeId, NodeView] = Views(dict.fromkeys(nodes, UNKNOWN))
        self._cold_tiers: Mapping[VolumeId, ColdTier] = {}
        self._cold_tiers_of: Mapping[NodeId, NodeView] | None = None
        """The views that the cold tiers were read from."""
        self._moments = itertools.count(1)
        self._faults: dict[NodeId, int] = dict.fromkeys(nodes, 0)
        self.polls = 0
        """Number of completed polls."""

    def follow(self, members: Collection[NodeId]) -> None:
        """Expect these nodes from now on, which have clients. Any other is known while it responds.

        A removed node that is down is not missed: its disk is lost, or was drained.
        """
        self._members = frozenset(members)
        added = [node for node in members if node not in self._views]
        kept = {node: view for node, view in self._views.items() if view.up or node in members}
        self._views = Views({**kept, **dict.fromkeys(added, UNKNOWN)})
        self._faults |= {node: self.moment() for node in added}

    def view(self) -> Mapping[NodeId, NodeView]:
        """Return the view of all nodes at this moment. A removed node has one while it responds."""
        return self._views

    def is_up(self, node: NodeId) -> bool:
        """Return True if the last request to the node had a response."""
        return self._views[node].up

    def cold_tier_of(self, volume: VolumeId) -> ColdTier | None:
        """Return the volume's cold tier as reported by any node, or None."""
        if self._cold_tiers_of is not self._views:
            self._cold_tiers_of = self._views
            self._cold_tiers = _cold_tiers(self._views)
        return self._cold_tiers.get(volume)

    def full_mirrors(self, volume: Volume) -> list[NodeId]:
        """Return the mirrors that are up and store every file of a volume."""
        cold_tier = self.cold_tier_of(volume.number)
        return [
            node
            for node in volume.mirrors
            if self.is_up(node) and (cold_tier is None or node in cold_tier.cold_nodes)
        ]

    def moment(self) -> int:
        """Return a number that is higher than all before it."""
        return next(self._moments)

    def last_fault_of(self, nodes: Iterable[NodeId]) -> int:
        """Return the last moment at which any of the nodes can have missed a file."""
        return max((self._faults.get(node, 0) for node in nodes), default=0)

    @property
    def last_fault(self) -> int:
        """The last moment at which any node can have missed a file."""
        return self.last_fault_of(self._nodes)

    def mark_down(self, node: NodeId, reason: str) -> None:
        """Treat the node as down until it responds to a poll again."""
        view = self._views[node]
        if view.up:
            log.warning("node %s is down: %s", node, reason)
        if node not in self._members:
            if view.up:
                self._views = Views({id_: it for id_, it in self._views.items() if id_ != node})
            return
        self._set(node, NodeView(up=False, status=view.status, reason=reason))
        self._faults[node] = self.moment()

    async def poll(self) -> None:
        """Request the status of all nodes concurrently, seldom that of removed ones."""
        looks = self.polls % POLLS_PER_LOOK == 0
        await asyncio.gather(
            *(
                self._poll_one(node)
                for node in self._nodes
                if looks or node in self._members or self._views[node].up
            )
        )
        self.polls += 1

    async def _poll_one(self, node: NodeId) -> None:
        try:
            status = await self._nodes[node].status(timeout_seconds=RESPONSE_SECONDS)
            refuse_another_node(node, self._uuid_of(node), status)
        except Exception as error:  # noqa: BLE001  # a malformed response is a failure too
            self.mark_down(node, str(error) or type(error).__name__)
            return
        if not self._views[node].up:
            log.info("node %s is up", node)
        last = self._views[node]
        self._set(node, NodeView(up=True, status=status, reason=_reason_of(status)))
        if not _is_undisturbed(last, status):
            self._faults[node] = self.moment()
        if last.status is not None and last.status.hints and not status.hints:
            # The mirrors of the hints are unknown, and each hint was a failed write.
            self._faults = dict.fromkeys(self._nodes, self.moment())

    def _set(self, node: NodeId, view: NodeView) -> None:
        # Each upload takes a view, so a change makes the copy.
        self._views = Views({**self._views, node: view})


def refuse_another_node(node: NodeId, uuid: str, status: NodeStatus) -> None:
    """Raise `AnotherNode` if a status is not of this node, or not of the root with this uuid."""
    if status.node != node:
        raise AnotherNode(
            f"node {status.node} responds at its address; correct the addresses in cluster.toml"
        )
    if uuid and status.uuid != uuid:
        raise AnotherNode(
            f"its root has the uuid {status.uuid}, and cluster.toml requires {uuid}; mount its own "
            "disk, or put the uuid of a new one into cluster.toml"
        )


def _cold_tiers(views: Mapping[NodeId, NodeView]) -> dict[VolumeId, ColdTier]:
    """Return the cold tier of each offloaded volume, as the first node reports it."""
    texts = {
        volume: text
        for _, view in sorted(views.items(), reverse=True)
        if view.status is not None
        for volume, text in view.status.cold_tiers.items()
    }
    return {VolumeId(int(volume)): parse_cold_tier(text) for volume, text in texts.items()}


def _is_undisturbed(last: NodeView, status: NodeStatus) -> bool:
    """Return True if the same process runs on the same disk since the last status."""
    return (
        last.up
        and last.status is not None
        and (last.status.boot, last.status.fence_serial) == (status.boot, status.fence_serial)
        and _reason_of(last.status) == _reason_of(status)
    )


def _reason_of(status: NodeStatus) -> str:
    """Return the reason why a node does not store all writes, or an empty text."""
    if status.suspect_reason or not status.unwritten_tombstones:
        return status.suspect_reason
    return (
        f"its disk refused {quantity(status.unwritten_tombstones, 'tombstone')}, in memory only; "
        "free space on it"
    )
