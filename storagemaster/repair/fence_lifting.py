"""Catching up: a node that was away is brought the tombstones it has missed, and its fence lifted.

The fence of a volume is lifted when every other mirror of it has been asked, because every delete
that was acknowledged left its tombstone on one of them; and when nothing of the volume is owed to
the node any more, so that it does not say 404 to what others hold for it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

from storagemaster.lifecycle.tombstone_delivery import Tombstone, TombstoneDelivery
from storagemaster.mirrors.mirrors import Mirrors
from storagenode.protocol.errors import NodeError, Unreachable
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

# Looking for fenced volumes asks nobody; all of them have nothing to send until they are found.
PASS_SECONDS = 0.25
VOLUMES_AT_ONCE = 4
TOMBSTONES_AT_ONCE = 16


class FenceLifter:
    """Lifts the fences of nodes, for ever."""

    def __init__(
        self,
        mirrors: Mirrors,
        tombstone_delivery: TombstoneDelivery,
        *,
        now_seconds: Callable[[], float],
    ) -> None:
        self._cluster = mirrors.cluster
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet
        self._tombstone_delivery = tombstone_delivery
        self._now_seconds = now_seconds
        self._lifted: set[tuple[str, VolumeId]] = set()

    async def lift_fences(self) -> int:
        """Go once through all volumes that are fenced; how many of their fences were lifted."""
        fences = [
            (node, VolumeId(volume), view.status.fence_serial)
            for node, view in self._fleet.view().items()
            if view.up and view.status is not None
            for volume in view.status.fenced
            if volume in self._cluster.volumes
        ]
        # What a node said of itself may be a second old.
        self._lifted &= {(serial, volume) for _, volume, serial in fences}
        waiting = [fence for fence in fences if (fence[2], fence[1]) not in self._lifted]
        if not waiting:
            return 0
        away = dict.fromkeys(node for node, _, _ in fences)
        hint_for = {node: await self._hinted_volumes(node) for node in away}
        gate = asyncio.Semaphore(VOLUMES_AT_ONCE)

        async def one(node: NodeId, volume: VolumeId, serial: str) -> bool:
            async with gate:
                return await self._lift(node, volume, serial, owed=volume in hint_for[node])

        return sum(await asyncio.gather(*(one(*fence) for fence in waiting)))

    async def _lift(self, node: NodeId, volume: VolumeId, serial: str, *, owed: bool) -> bool:
        """Whether the fence of one volume on one node is lifted now."""
        others = [other for other in self._cluster.volumes[volume].mirrors if other != node]
        if not all(self._fleet.is_up(other) for other in others):
            return False
        try:
            own = await self._nodes[node].tombstones(volume)
            # Each as it comes: what a disk says at once does not wait for a bucket to list itself.
            brought = await asyncio.gather(
                *(self._bring(node, volume, own, other) for other in others),
                return_exceptions=True,
            )
            for failure in brought:
                if failure is not None:
                    raise failure
            if owed:
                return False
            await self._nodes[node].lift_fence(volume, serial)
        except NodeError as error:
            log.warning("volume %s on %s is still fenced: %s", volume, node, error)
            return False
        self._lifted.add((serial, volume))
        return True

    async def _bring(self, node: NodeId, volume: VolumeId, own: set[str], other: NodeId) -> None:
        """Bring a node what one other mirror has of tombstones."""
        theirs = await self._nodes[other].tombstones(volume)
        await self._bury(node, missed_tombstones(volume, own, theirs))

    async def _bury(self, node: NodeId, tombstones: Iterable[Tombstone]) -> None:
        gate = asyncio.Semaphore(TOMBSTONES_AT_ONCE)
        mtime = int(self._now_seconds())

        async def one(tombstone: Tombstone) -> None:
            async with gate:
                await self._tombstone_delivery.write_tombstone(node, tombstone, mtime_seconds=mtime)

        await asyncio.gather(*(one(tombstone) for tombstone in tombstones))

    async def _hinted_volumes(self, mirror: NodeId) -> set[VolumeId]:
        """The volumes of which some node that is up holds files for this one."""
        found: set[VolumeId] = set()
        for holder, view in self._fleet.view().items():
            if holder == mirror or not (view.up and view.status is not None and view.status.hints):
                continue
            try:
                held = await self._nodes[holder].list_hints(mirror)
            except NodeError as error:
                if isinstance(error, Unreachable):
                    self._fleet.mark_down(holder, str(error))
                continue
            found |= {volume_of(each.place.file) for each in held}
            if len(held) == HINTS_PER_LIST_MAX:
                return set(self._cluster.volumes)
        return found


def missed_tombstones(volume: VolumeId, own: set[str], theirs: set[str]) -> list[Tombstone]:
    """The tombstones, by their names, that one mirror has and another has not."""
    missed: list[Tombstone] = []
    for name in sorted(theirs - own):
        with contextlib.suppress(InvalidPath):
            file = parse_name(volume, name)
            if isinstance(file, PhotoTombstone | VersionTombstone):
                missed.append(file)
    return missed
