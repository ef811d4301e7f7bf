"""Offload and recall of volumes: the plans of `plan.py`, applied shard by shard.

The only state between two calls is the cold tier that each mirror records for the volume. It keeps
reconciliation from copying moved files back. An interrupted offload is repeated from the start. A
recall removes the cold tier, and reconciliation copies everything back.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from storagemaster.errors import BadArgument, Unavailable
from storagemaster.mirrors.fleet import POLL_SECONDS
from storagemaster.mirrors.mirroring import pull_seconds
from storagemaster.mirrors.mirrors import OPERATOR_PATIENCE_SECONDS, Mirrors
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
    """Result of the moves of one shard."""

    moved: int = 0
    moved_bytes: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    """The paths that were not moved, each with the reason."""


class Tiering:
    """The offloads and recalls of one storagemaster."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet

    async def shards(self, number: VolumeId, cold_nodes: Sequence[NodeId]) -> list[str]:
        """Return the shards that have files to move, sorted; change nothing.

        Raises:
            UnknownVolume: The cluster has no such volume.
            BadArgument: The volume cannot be offloaded to these cold nodes.
            Unavailable: A mirror is unreachable.
        """
        volume = self._mirrors.volume(number)
        cold_tier = self._cold_tier_on(volume, cold_nodes)
        cold = SizeFilter(cold_tier.sizes, include=True)
        results = await self._query_all(volume, lambda _, node: node.shard_digests(number, cold))
        others = (results[node] for node in results if node not in cold_tier.cold_nodes)
        return sorted({shard for digests in others for shard in digests})

    async def plan(self, number: VolumeId, shard: str, cold_nodes: Sequence[NodeId]) -> TieringPlan:
        """Return the plan of one shard; change nothing. Raises the exceptions of `shards`."""
        volume = self._mirrors.volume(number)
        return await self._plan(volume, shard, self._cold_tier_on(volume, cold_nodes))

    async def begin(self, number: VolumeId, cold_nodes: Sequence[NodeId]) -> ColdTier:
        """Record the cold tier on every mirror, on the cold nodes first.

        On return, reconciliation no longer copies cold sizes to the other mirrors. The exceptions
        are the same as for `shards`.
        """
        volume = self._mirrors.volume(number)
        cold_tier = self._cold_tier_on(volume, cold_nodes)
        for node in self._cold_nodes_first(volume, cold_tier):
            await self._set_cold_tier(node, number, cold_tier)
        # A storagemaster that has not polled the cold tier could copy moved files back.
        await asyncio.sleep(2 * POLL_SECONDS)
        await self._fleet.poll()
        return cold_tier

    async def move(self, number: VolumeId, shard: str) -> MoveReport:
        """Move the cold sizes of one shard of an offloaded volume.

        Raises:
            UnknownVolume: The cluster has no such volume.
            BadArgument: The volume has no cold tier.
            Unavailable: A mirror is unreachable.
        """
        volume = self._mirrors.volume(number)
        if self._fleet.cold_tier_of(number) is None:
            await self._fleet.poll()
        cold_tier = self._fleet.cold_tier_of(number)
        if cold_tier is None:
            raise BadArgument(f"volume {number} is not offloaded: begin the offload first")
        plan = await self._plan(volume, shard, cold_tier)
        report = MoveReport(skipped={render_path(each.file): each.reason for each in plan.skipped})
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
        """Remove the cold tier from every mirror, from the cold nodes last.

        Raises:
            UnknownVolume: The cluster has no such volume.
            Unavailable: A mirror is unreachable.
        """
        volume = self._mirrors.volume(number)
        await self._query_all(volume, lambda _, node: node.status())
        await self._fleet.poll()
        cold_tier = self._fleet.cold_tier_of(number)
        cold_nodes = ColdTier(sizes="o", cold_nodes=cold_tier.cold_nodes if cold_tier else ())
        for node in reversed(self._cold_nodes_first(volume, cold_nodes)):
            await self._set_cold_tier(node, number, None)
        await self._fleet.poll()

    async def _move(self, move: Move) -> None:
        """Copy the file to the cold nodes, read it back there, then drop the other copies.

        Each step requires the previous one to have succeeded.
        """
        place = Place(move.file)
        for node in move.copy_to:
            pull = Pull(
                place=place,
                source_node=move.source,
                source=self._nodes[move.source].url,
                source_place=place,
                digest=move.digest,
            )
            await self._nodes[node].pull(pull, timeout_seconds=2 * pull_seconds(move.size_bytes))
        for node in move.verify_on:
            found = await self._nodes[node].restore_digest(place, move.digest)
            if found != move.digest:
                raise NodeError(
                    f"digest mismatch: {node} read SHA-256 {found} back, expected {move.digest}"
                )
        for node in move.drop_from:
            await self._nodes[node].drop_copy(place, move.digest)

    async def _plan(self, volume: Volume, shard: str, cold_tier: ColdTier) -> TieringPlan:
        listings = await self._query_all(
            volume, lambda _, node: node.list_shard(volume.number, shard)
        )
        return plan_offload(volume.number, cold_tier, listings)

    async def _query_all(
        self, volume: Volume, query: Callable[[NodeId, NodeClient], Coroutine[Any, Any, T]]
    ) -> Mapping[NodeId, T]:
        """Return the results of all mirrors: only they show together which copies are good."""
        found = await self._mirrors.query(
            volume.mirrors, query, patience_seconds=OPERATOR_PATIENCE_SECONDS
        )
        if found.unreachable:
            reasons = "; ".join(f"{node}: {reason}" for node, reason in found.unreachable.items())
            raise Unavailable(f"a mirror of volume {volume.number} is unreachable: {reasons}")
        return found.results

    async def _set_cold_tier(
        self, node: NodeId, number: VolumeId, cold_tier: ColdTier | None
    ) -> None:
        try:
            await self._nodes[node].set_cold_tier(number, cold_tier)
        except NodeError as error:
            raise Unavailable(f"{node} did not record the cold tier: {error}; try again") from error

    def _cold_tier_on(self, volume: Volume, cold_nodes: Sequence[NodeId]) -> ColdTier:
        cold_tier = ColdTier(
            sizes=cold_sizes(self._mirrors.cluster.sizes), cold_nodes=tuple(cold_nodes)
        )
        if not cold_nodes:
            raise BadArgument("missing cold nodes: pass at least one, as in ?to=cold-1")
        reason = refusal_reason(self._mirrors.cluster, volume, cold_tier)
        found = self._fleet.cold_tier_of(volume.number)
        if not reason and found is not None and found != cold_tier:
            reason = (
                f"volume {volume.number} is already offloaded to {', '.join(found.cold_nodes)}: "
                "recall it first"
            )
        if reason:
            raise BadArgument(reason)
        return cold_tier

    def _cold_nodes_first(self, volume: Volume, cold_tier: ColdTier) -> list[NodeId]:
        return sorted(volume.mirrors, key=lambda node: node not in cold_tier.cold_nodes)
