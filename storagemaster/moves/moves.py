"""Moves of volumes: states in the map, which any storagemaster advances by proofs.

    joining            the node is filled by reconcile; nothing is read from it
    mirror, leaving    it is a mirror, and the one that leaves still is
    stray              the one that left has the files, serves none of them, and takes none
    dropped            its files are in its trash

Each step needs a proof that no good copy is lost. Where it is missing, the move waits. All state is
in the map and on the disks, so that any storagemaster continues what another one began.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence

from storagemaster.maps.following import MapFollowing
from storagemaster.maps.proposing import MapProposing
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.moves.copies_proof import Lacking, find_lacking, have_all
from storagemaster.repair.volume_comparison import VolumeComparison
from storagenode.protocol.errors import NodeError
from volumes.cluster import NodeId, Volume
from volumes.photo_path import VolumeId

log = logging.getLogger(__name__)

PASS_SECONDS = 5.0
# All moves that are ready share one version of the map.
PAUSE_SECONDS = 10.0


class Moves:
    """The moves of the volumes that this storagemaster owns."""

    def __init__(
        self,
        mirrors: Mirrors,
        comparison: VolumeComparison,
        following: MapFollowing,
        proposing: MapProposing,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mirrors = mirrors
        self._comparison = comparison
        self._following = following
        self._proposing = proposing
        self._clock = clock
        self._due_at = 0.0
        self._lacked: dict[VolumeId, Lacking] = {}
        """The files that the joining nodes of each volume lacked in the last pass."""
        self._proven: dict[tuple[VolumeId, NodeId], str] = {}
        """The digest of each stray that the last pass found on all mirrors."""

    async def advance_all(self) -> None:
        """Advance every move that has its proof by one step, and drop strays."""
        await self._drop_strays()
        if self._clock() < self._due_at:
            return
        version = self._following.in_force.version
        moving = [
            volume
            for volume in self._mirrors.cluster.volumes.values()
            if (volume.joining or volume.leaving) and self._mirrors.owns(volume.number)
        ]
        found = [(volume.number, await self._advanced(volume)) for volume in moving]
        advanced = {number: volume for number, volume in found if volume is not None}
        if advanced and self._following.in_force.version == version:
            self._due_at = self._clock() + PAUSE_SECONDS
            await self._proposing.change_volumes(advanced, why="moves of {}")

    async def _advanced(self, volume: Volume) -> Volume | None:
        """Return the volume in its next state, or None if a proof for it is missing."""
        number, joining, leaving = volume.number, volume.joining, volume.leaving
        if self._mirrors.fleet.cold_tier_of(number) is not None:
            return None
        if joining:
            up = [node for node in volume.mirrors if self._mirrors.fleet.is_up(node)]
            if not up or not self._follow(volume, (*up, *joining)):
                return None
            if not await self._are_filled(number, up, joining):
                return None
            return dataclasses.replace(volume, mirrors=volume.homes, joining=())
        staying = volume.mirrors_after
        if not self._follow(volume, volume.mirrors) or self._has_fence(number, staying):
            return None
        proofs = [await self._have_all(number, node, staying) for node in leaving]
        return dataclasses.replace(volume, mirrors=staying, leaving=()) if all(proofs) else None

    async def _are_filled(
        self, number: VolumeId, mirrors: Sequence[NodeId], joining: Sequence[NodeId]
    ) -> bool:
        """Return True if the joining nodes have all files, or got all that they lacked before.

        While photos are uploaded without a pause, they always lack some. Those reach the new mirror
        as they would reach any other.
        """
        found = [
            await find_lacking(self._comparison, number, of=node, nodes=joining) for node in mirrors
        ]
        lacked = self._lacked.pop(number, None)
        if any(each is None for each in found):
            return False
        lacking = set().union(*(each for each in found if each is not None))
        if not lacking or (lacked is not None and lacked.isdisjoint(lacking)):
            return True
        self._lacked[number] = lacking
        return False

    async def _drop_strays(self) -> None:
        proven: dict[tuple[VolumeId, NodeId], str] = {}
        for number, nodes in self._comparison.strays.now().items():
            if number in self._mirrors.cluster.volumes and self._mirrors.owns(number):
                for node in nodes:
                    digest = await self._prove_stray(self._mirrors.cluster.volumes[number], node)
                    if digest is None:
                        continue
                    if self._proven.get((number, node)) == digest:
                        await self._drop(number, node, digest)
                    else:
                        proven[number, node] = digest
        self._proven = proven

    async def _prove_stray(self, volume: Volume, node: NodeId) -> str | None:
        """Return the digest of a stray if all mirrors have its files, otherwise None."""
        number, version = volume.number, self._following.in_force.version
        if (
            node not in self._mirrors.cluster.nodes
            or not self._follow(volume, volume.mirrors)
            or not self._follows(node, version)
            or self._has_fence(number, volume.mirrors)
            or self._mirrors.fleet.cold_tier_of(number) is not None
        ):
            return None
        summaries = await self._comparison.summaries(node, [number])
        if number not in summaries or not await self._have_all(number, node, volume.mirrors):
            return None
        return summaries[number].digest

    async def _drop(self, number: VolumeId, node: NodeId, digest: str) -> None:
        version = self._following.in_force.version
        try:
            await self._mirrors.nodes[node].drop_volume(number, digest=digest, map_version=version)
        except NodeError as error:
            log.warning("volume %s was not dropped from %s: %s", number, node, error)
        else:
            log.info("volume %s was dropped from %s: all mirrors have its files", number, node)

    async def _have_all(self, number: VolumeId, of: NodeId, nodes: Sequence[NodeId]) -> bool:
        return await have_all(self._comparison, number, of=of, nodes=nodes)

    def _follow(self, volume: Volume, nodes: Sequence[NodeId]) -> bool:
        return all(self._follows(node, volume.since) for node in nodes)

    def _follows(self, node: NodeId, version: int) -> bool:
        view = self._mirrors.fleet.view()[node]
        return view.up and view.status is not None and view.status.map_version >= version

    def _has_fence(self, number: VolumeId, nodes: Sequence[NodeId]) -> bool:
        views = self._mirrors.fleet.view()
        return any(
            status is None or number in status.fenced
            for status in (views[node].status for node in nodes)
        )
