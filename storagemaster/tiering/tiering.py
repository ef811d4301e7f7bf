"""Chilling and thawing volumes: the plan of `chill_plan.py` carried out, shard by shard.

Nothing is remembered between two calls but the volume's marker on its mirrors, which makes
reconcile leave alone what was moved. So whatever breaks off is simply asked for again. A thaw takes
the markers away, and reconcile brings everything back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from storagemaster.errors import BadArgument, Unavailable, UnknownVolume
from storagemaster.mirrors.fleet import POLL_SECONDS, Fleet
from storagemaster.mirrors.mirroring import pull_seconds
from storagemaster.mirrors.node_queries import ask_nodes
from storagemaster.tiering.plan import ChillPlan, Move, plan_chill, reason_against
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import Pull
from volumes.cluster import Cluster, NodeId, Volume
from volumes.cold_tier import Chill, Part, moved_sizes
from volumes.photo_path import VolumeId, render_path

MOVES_AT_ONCE = 4

T = TypeVar("T")


@dataclass(slots=True)
class MoveReport:
    """What became of the moves of one shard."""

    moved: int = 0
    moved_bytes: int = 0
    stays: dict[str, str] = field(default_factory=dict)
    """The files that were not moved, and why."""


class Chills:
    """The chilling of one storagemaster."""

    def __init__(self, cluster: Cluster, nodes: Mapping[NodeId, NodeClient], fleet: Fleet) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet

    async def shards(self, number: VolumeId, keepers: Sequence[NodeId]) -> list[str]:
        """The shards that have anything to move; nothing is changed.

        Raises:
            UnknownVolume, BadArgument, Unavailable: It cannot be done, and why.
        """
        volume = self._volume(number)
        chill = self._chill_to(volume, keepers)
        part = Part(chill.sizes, is_inside=True)
        said = await self._ask_all(volume, lambda _, node: node.shard_digests(number, part))
        others = (said[node] for node in said if node not in chill.keepers)
        return sorted({shard for digests in others for shard in digests})

    async def plan(self, number: VolumeId, shard: str, keepers: Sequence[NodeId]) -> ChillPlan:
        """What a chill would do in one shard; nothing is changed. Raises as `shards`."""
        volume = self._volume(number)
        return await self._plan(volume, shard, self._chill_to(volume, keepers))

    async def begin(self, number: VolumeId, keepers: Sequence[NodeId]) -> Chill:
        """Have every mirror note that the volume is chilled; the keepers first.

        From here on reconcile copies nothing that is to be moved to a mirror that is no keeper.

        Raises:
            UnknownVolume, BadArgument, Unavailable: It cannot be done, and why.
        """
        volume = self._volume(number)
        chill = self._chill_to(volume, keepers)
        for node in self._keepers_first(volume, chill):
            await self._tell(node, number, chill)
        # Until every storagemaster has heard of it, one might copy back what is moved.
        await asyncio.sleep(2 * POLL_SECONDS)
        await self._fleet.poll()
        return chill

    async def move(self, number: VolumeId, shard: str) -> MoveReport:
        """Move what one shard of a chilled volume has.

        Raises:
            UnknownVolume, BadArgument, Unavailable: It cannot be done, and why.
        """
        volume = self._volume(number)
        if self._fleet.chill_of(number) is None:
            await self._fleet.poll()
        chill = self._fleet.chill_of(number)
        if chill is None:
            raise BadArgument(f"volume {number} is not chilled; begin with that")
        plan = await self._plan(volume, shard, chill)
        report = MoveReport(stays={render_path(stay.file): stay.reason for stay in plan.stays})
        gate = asyncio.Semaphore(MOVES_AT_ONCE)

        async def one(move: Move) -> None:
            async with gate:
                try:
                    await self._move(move)
                except NodeError as error:
                    report.stays[render_path(move.file)] = str(error)
                else:
                    report.moved += 1
                    report.moved_bytes += move.size_bytes

        await asyncio.gather(*(one(move) for move in plan.moves))
        return report

    async def thaw(self, number: VolumeId) -> None:
        """Have every mirror note that all of them keep everything again; the keepers last.

        Raises:
            UnknownVolume, Unavailable: It cannot be done, and why.
        """
        volume = self._volume(number)
        await self._ask_all(volume, lambda _, node: node.status())
        await self._fleet.poll()
        chill = self._fleet.chill_of(number)
        keepers = Chill(sizes="o", keepers=chill.keepers if chill else ())
        for node in reversed(self._keepers_first(volume, keepers)):
            await self._tell(node, number, None)
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
            found = await self._nodes[node].adopt(place, move.digest)
            if found != move.digest:
                raise NodeError(f"{node} has read SHA-256 {found} back, and not {move.digest}")
        for node in move.drop_from:
            await self._nodes[node].drop(place, move.digest)

    async def _plan(self, volume: Volume, shard: str, chill: Chill) -> ChillPlan:
        listings = await self._ask_all(
            volume, lambda _, node: node.list_shard(volume.number, shard)
        )
        return plan_chill(volume.number, chill, listings)

    async def _ask_all(
        self, volume: Volume, ask: Callable[[NodeId, NodeClient], Awaitable[T]]
    ) -> Mapping[NodeId, T]:
        """What every mirror says: with one that is away, nobody knows which copies are good."""
        answers = await ask_nodes(volume.mirrors, self._nodes, self._fleet, ask)
        if answers.unknown:
            reasons = "; ".join(f"{node}: {reason}" for node, reason in answers.unknown.items())
            raise Unavailable(f"every mirror of volume {volume.number} must answer ({reasons})")
        return answers.said

    async def _tell(self, node: NodeId, number: VolumeId, chill: Chill | None) -> None:
        try:
            await self._nodes[node].chill(number, chill)
        except NodeError as error:
            raise Unavailable(f"{node} did not note it: {error}; do it again") from error

    def _chill_to(self, volume: Volume, keepers: Sequence[NodeId]) -> Chill:
        chill = Chill(sizes=moved_sizes(self._cluster.sizes), keepers=tuple(keepers))
        if not keepers:
            raise BadArgument("say to which nodes, as in ?to=cold-1")
        reason = reason_against(self._cluster, volume, chill)
        found = self._fleet.chill_of(volume.number)
        if not reason and found is not None and found != chill:
            reason = (
                f"volume {volume.number} is chilled to {', '.join(found.keepers)}: thaw it first"
            )
        if reason:
            raise BadArgument(reason)
        return chill

    def _keepers_first(self, volume: Volume, chill: Chill) -> list[NodeId]:
        return sorted(volume.mirrors, key=lambda node: node not in chill.keepers)

    def _volume(self, number: VolumeId) -> Volume:
        if number not in self._cluster.volumes:
            raise UnknownVolume(f"volume {number} is not in the cluster's config")
        return self._cluster.volumes[number]
