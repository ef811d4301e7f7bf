"""Chilling and thawing volumes: the plan of `chill_plan.py` carried out, shard by shard.

Nothing is remembered between two calls but the volume's marker on its mirrors, which makes
reconcile leave alone what was moved. So whatever breaks off is simply asked for again. A thaw takes
the markers away, and reconcile brings everything back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from storagemaster.errors import BadArgument, Unavailable
from storagemaster.mirrors.fleet import POLL_SECONDS
from storagemaster.mirrors.mirroring import pull_seconds
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.tiering.plan import Move, TieringPlan, plan_offload, refusal_reason
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import Pull
from volumes.cluster import NodeId, Volume
from volumes.cold_tier import ColdTier, SizeFilter, cold_sizes
from volumes.photo_path import VolumeId, render_path

MOVES_AT_ONCE = 4

T = TypeVar("T")


@dataclass(slots=True)
class MoveReport:
    """What became of the moves of one shard."""

    moved: int = 0
    moved_bytes: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    """The files that were not moved, and why."""


class Tiering:
    """The chilling of one storagemaster."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors
        self._cluster = mirrors.cluster
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet

    async def shards(self, number: VolumeId, cold_nodes: Sequence[NodeId]) -> list[str]:
        """The shards that have anything to move; nothing is changed.

        Raises:
            UnknownVolume, BadArgument, Unavailable: It cannot be done, and why.
        """
        volume = self._mirrors.volume(number)
        cold_tier = self._cold_tier_on(volume, cold_nodes)
        part = SizeFilter(cold_tier.sizes, include=True)
        results = await self._ask_all(volume, lambda _, node: node.shard_digests(number, part))
        others = (results[node] for node in results if node not in cold_tier.cold_nodes)
        return sorted({shard for digests in others for shard in digests})

    async def plan(self, number: VolumeId, shard: str, cold_nodes: Sequence[NodeId]) -> TieringPlan:
        """What a chill would do in one shard; nothing is changed. Raises as `shards`."""
        volume = self._mirrors.volume(number)
        return await self._plan(volume, shard, self._cold_tier_on(volume, cold_nodes))

    async def begin(self, number: VolumeId, cold_nodes: Sequence[NodeId]) -> ColdTier:
        """Have every mirror note that the volume is chilled; the keepers first.

        From here on reconcile copies nothing that is to be moved to a mirror that is no keeper.

        Raises:
            UnknownVolume, BadArgument, Unavailable: It cannot be done, and why.
        """
        volume = self._mirrors.volume(number)
        cold_tier = self._cold_tier_on(volume, cold_nodes)
        for node in self._cold_nodes_first(volume, cold_tier):
            await self._set_cold_tier(node, number, cold_tier)
        # Until every storagemaster has heard of it, one might copy back what is moved.
        await asyncio.sleep(2 * POLL_SECONDS)
        await self._fleet.poll()
        return cold_tier

    async def move(self, number: VolumeId, shard: str) -> MoveReport:
        """Move what one shard of a chilled volume has.

        Raises:
            UnknownVolume, BadArgument, Unavailable: It cannot be done, and why.
        """
        volume = self._mirrors.volume(number)
        if self._fleet.cold_tier_of(number) is None:
            await self._fleet.poll()
        cold_tier = self._fleet.cold_tier_of(number)
        if cold_tier is None:
            raise BadArgument(f"volume {number} is not chilled; begin with that")
        plan = await self._plan(volume, shard, cold_tier)
        report = MoveReport(skipped={render_path(stay.file): stay.reason for stay in plan.skipped})
        gate = asyncio.Semaphore(MOVES_AT_ONCE)

        async def one(move: Move) -> None:
            async with gate:
                try:
                    await self._move(move)
                except NodeError as error:
                    report.skipped[render_path(move.file)] = str(error)
                else:
                    report.moved += 1
                    report.moved_bytes += move.size_bytes

        await asyncio.gather(*(one(move) for move in plan.moves))
        return report

    async def recall(self, number: VolumeId) -> None:
        """Have every mirror note that all of them keep everything again; the keepers last.

        Raises:
            UnknownVolume, Unavailable: It cannot be done, and why.
        """
        volume = self._mirrors.volume(number)
        await self._ask_all(volume, lambda _, node: node.status())
        await self._fleet.poll()
        cold_tier = self._fleet.cold_tier_of(number)
        cold_nodes = ColdTier(sizes="o", cold_nodes=cold_tier.cold_nodes if cold_tier else ())
        for node in reversed(self._cold_nodes_first(volume, cold_nodes)):
            await self._set_cold_tier(node, number, None)
        await self._fleet.poll()

    async def _move(self, move: Move) -> None:
        """Copy, read back, let go: in this order, and nothing of it without all before it."""
        place = Place(move.file)
        for node in move.copy_to:
            pull = Pull(
                place=place,
                source=self._nodes[move.source].url,
                source_place=place,
                digest=move.digest,
            )
            await self._nodes[node].pull(pull, timeout_seconds=2 * pull_seconds(move.size_bytes))
        for node in move.verify_on:
            found = await self._nodes[node].restore_digest(place, move.digest)
            if found != move.digest:
                raise NodeError(f"{node} has read SHA-256 {found} back, and not {move.digest}")
        for node in move.drop_from:
            await self._nodes[node].drop_copy(place, move.digest)

    async def _plan(self, volume: Volume, shard: str, cold_tier: ColdTier) -> TieringPlan:
        listings = await self._ask_all(
            volume, lambda _, node: node.list_shard(volume.number, shard)
        )
        return plan_offload(volume.number, cold_tier, listings)

    async def _ask_all(
        self, volume: Volume, ask: Callable[[NodeId, NodeClient], Awaitable[T]]
    ) -> Mapping[NodeId, T]:
        """What every mirror says: with one that is away, nobody knows which copies are good."""
        answers = await self._mirrors.query(volume.mirrors, ask)
        if answers.unreachable:
            reasons = "; ".join(f"{node}: {reason}" for node, reason in answers.unreachable.items())
            raise Unavailable(f"every mirror of volume {volume.number} must answer ({reasons})")
        return answers.results

    async def _set_cold_tier(
        self, node: NodeId, number: VolumeId, cold_tier: ColdTier | None
    ) -> None:
        try:
            await self._nodes[node].set_cold_tier(number, cold_tier)
        except NodeError as error:
            raise Unavailable(f"{node} did not note it: {error}; do it again") from error

    def _cold_tier_on(self, volume: Volume, cold_nodes: Sequence[NodeId]) -> ColdTier:
        cold_tier = ColdTier(sizes=cold_sizes(self._cluster.sizes), cold_nodes=tuple(cold_nodes))
        if not cold_nodes:
            raise BadArgument("say to which nodes, as in ?to=cold-1")
        reason = refusal_reason(self._cluster, volume, cold_tier)
        found = self._fleet.cold_tier_of(volume.number)
        if not reason and found is not None and found != cold_tier:
            reason = (
                f"volume {volume.number} is chilled to {', '.join(found.cold_nodes)}: thaw it first"
            )
        if reason:
            raise BadArgument(reason)
        return cold_tier

    def _cold_nodes_first(self, volume: Volume, cold_tier: ColdTier) -> list[NodeId]:
        return sorted(volume.mirrors, key=lambda node: node not in cold_tier.cold_nodes)
