"""Lifting of fences: deliver the tombstones that a node missed while it was down.

The fence of a volume is lifted when every other mirror has reported its tombstones, because every
acknowledged delete left a tombstone on one of them. The node must also have no pending hints of the
volume, so that it does not return 404 for a file that another node holds for it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping

from storagemaster.lifecycle.tombstone_delivery import Tombstone, TombstoneDelivery
from storagemaster.mirrors.fleet import NodeView
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.strays import KnownStrays
from storagenode.client import OnProgress
from storagenode.protocol.errors import NodeError, UnprovenTombstone, Unreachable
from storagenode.protocol.wire import HINTS_PER_LIST_MAX
from volumes.cluster import NodeId
from volumes.photo_path import (
    InvalidPath,
    PhotoTombstone,
    VersionTombstone,
    VolumeId,
    parse_name,
    volume_of,
)

log = logging.getLogger(__name__)

# A pass without fenced volumes sends no request. Fenced volumes are not served until a pass runs.
PASS_SECONDS = 0.25
# A fence that the owner of its volume has not lifted after this time is lifted by everybody.
LEFT_SECONDS_MAX = 5.0
VOLUMES_AT_ONCE = 4
TOMBSTONES_AT_ONCE = 16


class FenceLifter:
    """The fences of all nodes, and the lifting of those whose volumes are up to date."""

    def __init__(
        self,
        mirrors: Mirrors,
        tombstone_delivery: TombstoneDelivery,
        *,
        now_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mirrors = mirrors
        self._now_seconds = now_seconds
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet
        self._tombstone_delivery = tombstone_delivery
        self._lifted: set[tuple[str, VolumeId]] = set()
        self._seen: dict[tuple[str, VolumeId], float] = {}
        """The second in which each fence was first seen, by its serial and volume."""
        self._strays = KnownStrays(mirrors)

    async def lift_fences(self) -> int:
        """Try to lift the fences of fenced volumes, and return the number lifted.

        A fence of another owner is lifted only when that one does not lift it.
        """
        fences = [
            (node, VolumeId(volume), view.status.fence_serial)
            for node, view in self._fleet.view().items()
            if view.up and view.status is not None
            for volume in view.status.fenced
            if volume in self._mirrors.cluster.volumes
        ]
        now = self._now_seconds()
        keys = {(serial, volume) for _, volume, serial in fences}
        self._seen = {key: self._seen.get(key, now) for key in keys}
        # The status of a node may be a second old, and still list a fence that was lifted.
        self._lifted &= keys
        waiting = [fence for fence in fences if self._is_due((fence[2], fence[1]), now)]
        if not waiting:
            return 0
        fenced_nodes = dict.fromkeys(node for node, _, _ in waiting)
        hinted = {node: await self._hinted_volumes(node) for node in fenced_nodes}
        gate = asyncio.Semaphore(VOLUMES_AT_ONCE)

        async def one(node: NodeId, volume: VolumeId, serial: str) -> bool:
            async with gate:
                return await self._lift(node, volume, serial, has_hints=volume in hinted[node])

        return sum(await asyncio.gather(*(one(*fence) for fence in waiting)))

    def _is_due(self, key: tuple[str, VolumeId], now_seconds: float) -> bool:
        if key in self._lifted:
            return False
        is_left = now_seconds - self._seen[key] < LEFT_SECONDS_MAX
        return self._mirrors.owns(key[1]) or not is_left

    async def _lift(self, node: NodeId, volume: VolumeId, serial: str, *, has_hints: bool) -> bool:
        """Return True if the fence of one volume on one node was lifted."""
        mirrors = self._mirrors.cluster.volumes[volume].mirrors
        strays = self._strays.now().get(volume, [])
        others = [*(other for other in mirrors if other != node), *strays]
        if node not in mirrors or not all(self._fleet.is_up(other) for other in others):
            return False
        # A mirror that does not follow the map takes deletes that this node never gets.
        since = self._mirrors.cluster.volumes[volume].since
        views = self._fleet.view()
        if any(not follows(views[other], since) for other in others):
            return False

        async def note_progress() -> None:
            await self._nodes[node].note_lifting(serial)

        try:
            own = await self._nodes[node].tombstone_digests(volume, on_progress=note_progress)
            # Mirrors are independent: the tombstones of a disk do not wait for a bucket's listing.
            delivered = await asyncio.gather(
                *(
                    self._deliver_missed(node, volume, own, other, note_progress)
                    for other in others
                ),
                return_exceptions=True,
            )
            for failure in delivered:
                if failure is not None:
                    raise failure
            # The photos of an empty mirror are elsewhere, until reconciliation has copied them.
            if has_hints or (strays and not await self._nodes[node].shard_digests(volume)):
                return False
            await self._nodes[node].lift_fence(volume, serial)
        except NodeError as error:
            log.warning("volume %s on %s is still fenced: %s", volume, node, error)
            return False
        self._lifted.add((serial, volume))
        return True

    async def _deliver_missed(
        self,
        node: NodeId,
        volume: VolumeId,
        own: Mapping[str, str],
        other: NodeId,
        note_progress: OnProgress,
    ) -> None:
        """Deliver the tombstones that another mirror has and the node lacks.

        Only shards whose tombstones differ are listed. The node can get tombstones meanwhile, but
        it never loses one.
        """
        theirs = await self._nodes[other].tombstone_digests(volume, on_progress=note_progress)
        shards = sorted(shard for shard in theirs if theirs[shard] != own.get(shard))
        if not shards:
            return
        names = await asyncio.gather(
            *(self._nodes[each].tombstones(volume, shards) for each in (node, other))
        )
        missed = missed_tombstones(volume, *names)
        gate = asyncio.Semaphore(TOMBSTONES_AT_ONCE)
        delivery = self._tombstone_delivery

        async def one(tombstone: Tombstone) -> None:
            async with gate:
                try:
                    seconds = await delivery.seconds_of(other, tombstone)
                except UnprovenTombstone as error:
                    log.warning("a tombstone was not delivered to %s: %s", node, error)
                    return
                await delivery.write_tombstone(node, tombstone, mtime_seconds=seconds)
                await note_progress()

        await asyncio.gather(*(one(tombstone) for tombstone in missed))

    async def _hinted_volumes(self, mirror: NodeId) -> set[VolumeId]:
        """Return the volumes with pending hints for this mirror on a node that is up."""
        found: set[VolumeId] = set()
        for holder, view in self._fleet.view().items():
            if holder == mirror or not (view.up and view.status is not None and view.status.hints):
                continue
            try:
                hints = await self._nodes[holder].list_hints(mirror)
            except NodeError as error:
                if isinstance(error, Unreachable):
                    self._fleet.mark_down(holder, str(error))
                continue
            found |= {volume_of(hint.place.file) for hint in hints}
            if len(hints) == HINTS_PER_LIST_MAX:
                return set(self._mirrors.cluster.volumes)
        return found


def follows(view: NodeView, map_version: int) -> bool:
    """Return True if a node follows a map of at least this version."""
    return view.status is not None and view.status.map_version >= map_version


def missed_tombstones(volume: VolumeId, own: set[str], theirs: set[str]) -> list[Tombstone]:
    """Return the tombstones among the names that another mirror has and this one lacks."""
    missed: list[Tombstone] = []
    for name in sorted(theirs - own):
        with contextlib.suppress(InvalidPath):
            file = parse_name(volume, name)
            if isinstance(file, PhotoTombstone | VersionTombstone):
                missed.append(file)
    return missed
