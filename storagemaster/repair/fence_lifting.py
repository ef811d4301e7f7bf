"""Lifting of fences: deliver the tombstones that a node missed while it was down.

The fence of a volume is lifted when every other mirror has reported its tombstones, because every
acknowledged delete left a tombstone on one of them. The node must also have no pending hints of the
volume, so that it does not return 404 for a file that another node holds for it.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from storagemaster.lifecycle.tombstone_delivery import Tombstone, TombstoneDelivery
from storagemaster.mirrors.fleet import NodeView
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.strays import KnownStrays
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
# Far shorter than the time without progress after which a fence falls.
PROGRESS_SECONDS = 1.0
GROUPS_AT_ONCE = 4
# The names of all shards of these volumes fit in one request.
VOLUMES_AT_ONCE = 32
TOMBSTONES_AT_ONCE = 16

Progress = Callable[[], Awaitable[None]]


class Group(NamedTuple):
    """Fenced volumes of one node that have the same other mirrors: they share requests."""

    node: NodeId
    serial: str
    others: tuple[NodeId, ...]


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
        groups: dict[Group, list[VolumeId]] = {}
        for node, volume, serial in fences:
            if self._is_due((serial, volume), now) and (others := self._others(node, volume)):
                groups.setdefault(Group(node, serial, others), []).append(volume)
        nodes = dict.fromkeys(group.node for group in groups)
        hinted = {node: await self._hinted_volumes(node) for node in nodes}
        gate = asyncio.Semaphore(GROUPS_AT_ONCE)

        async def one(group: Group) -> None:
            async with gate:
                try:
                    await self._lift(group, groups[group], hinted[group.node])
                except NodeError as error:
                    log.warning("volumes on %s are still fenced: %s", group.node, error)

        before = len(self._lifted)
        await asyncio.gather(*map(one, groups))
        return len(self._lifted) - before

    def _is_due(self, key: tuple[str, VolumeId], now_seconds: float) -> bool:
        if key in self._lifted:
            return False
        is_left = now_seconds - self._seen[key] < LEFT_SECONDS_MAX
        return self._mirrors.owns(key[1]) or not is_left

    def _others(self, node: NodeId, number: VolumeId) -> tuple[NodeId, ...]:
        """Return the other nodes that can have tombstones of a volume, or none if one is silent."""
        volume, views = self._mirrors.cluster.volumes[number], self._fleet.view()
        others = [other for other in volume.mirrors if other != node]
        others += self._strays.now().get(number, [])
        # A mirror that does not follow the map takes deletes that this node never gets.
        if node in volume.mirrors and all(
            self._fleet.is_up(each) and follows(views[each], volume.since) for each in others
        ):
            return tuple(others)
        return ()

    async def _lift(self, group: Group, volumes: list[VolumeId], hinted: set[VolumeId]) -> None:
        """Lift the fences of the volumes of a group that are up to date, or can be made so.

        Raises:
            NodeError: The fenced node has failed.
        """
        progress = self._progress(group)
        # The node can get tombstones after its digests, but it never loses one.
        own = await self._nodes[group.node].tombstone_digests(volumes, on_progress=progress)
        reports = await asyncio.gather(
            *(self._report(other, list(own), progress) for other in group.others)
        )
        known = {each for each in own if all(each in report for report in reports)} - hinted
        differing = [
            each
            for each in own
            if any(report.get(each, own[each]) != own[each] for report in reports)
        ]
        await self._lift_known(group, known.difference(differing))
        reporting = [other for other, report in zip(group.others, reports, strict=True) if report]
        for start in range(0, len(differing), VOLUMES_AT_ONCE):
            batch = differing[start : start + VOLUMES_AT_ONCE]
            # Mirrors are independent: tombstones of a disk do not wait for a bucket that failed.
            delivered = await asyncio.gather(
                *(self._deliver_missed(group.node, batch, other, progress) for other in reporting)
            )
            await self._lift_known(group, known.intersection(batch, *delivered))

    def _progress(self, group: Group) -> Progress:
        """Return a call that keeps a fence up, which sends a request once in a while."""
        noted_at = -math.inf

        async def note() -> None:
            nonlocal noted_at
            if self._now_seconds() - noted_at >= PROGRESS_SECONDS:
                noted_at = self._now_seconds()
                await self._nodes[group.node].note_lifting(group.serial)

        return note

    async def _report(
        self, other: NodeId, volumes: list[VolumeId], progress: Progress
    ) -> dict[VolumeId, str]:
        """Return the digests of the tombstones of volumes, as far as a mirror reports them."""
        try:
            return await self._nodes[other].tombstone_digests(volumes, on_progress=progress)
        except NodeError as error:
            log.warning("fences wait for the tombstones of %s: %s", other, error)
            return {}

    async def _lift_known(self, group: Group, volumes: set[VolumeId]) -> None:
        """Lift the fences of volumes whose tombstones are all on their node."""
        filled = [each for each in sorted(volumes) if not await self._awaits_files(group, each)]
        if filled:
            await self._nodes[group.node].lift_fences(group.serial, filled)
            self._lifted.update((group.serial, each) for each in filled)

    async def _awaits_files(self, group: Group, volume: VolumeId) -> bool:
        """Return True if a mirror is empty and strays, not merged yet, are not.

        A volume that is empty everywhere waits for nothing.
        """
        strays = self._strays.now().get(volume, [])
        if not strays or await self._nodes[group.node].shard_digests(volume):
            return False
        return any([await self._nodes[stray].shard_digests(volume) for stray in strays])

    async def _deliver_missed(
        self, node: NodeId, volumes: list[VolumeId], other: NodeId, progress: Progress
    ) -> set[VolumeId]:
        """Deliver the tombstones that another mirror has and the node lacks.

        Only shards whose tombstones differ are listed. Returns the volumes without a failure.
        """
        try:
            own, theirs = [
                await self._nodes[each].tombstone_shards(volumes) for each in (node, other)
            ]
            shards = {
                volume: differing_shards(own.get(volume, {}), theirs[volume]) for volume in theirs
            }
            own_names, names = await asyncio.gather(
                *(self._nodes[each].tombstone_names(shards) for each in (node, other))
            )
        except NodeError as error:
            log.warning("tombstones of %s are not known on %s: %s", other, node, error)
            return set()
        gate = asyncio.Semaphore(TOMBSTONES_AT_ONCE)

        async def one(volume: VolumeId, tombstone: Tombstone) -> VolumeId | None:
            async with gate:
                try:
                    await self._deliver(node, tombstone, other)
                    await progress()
                except NodeError as error:
                    log.warning("volume %s on %s is still fenced: %s", volume, node, error)
                    return volume
            return None

        failed = await asyncio.gather(
            *(
                one(volume, tombstone)
                for volume in names
                for tombstone in missed_tombstones(
                    volume, own_names.get(volume, set()), names[volume]
                )
            )
        )
        return set(names).difference(failed)

    async def _deliver(self, node: NodeId, tombstone: Tombstone, other: NodeId) -> None:
        try:
            seconds = await self._tombstone_delivery.seconds_of(other, tombstone)
        except UnprovenTombstone as error:
            log.warning("a tombstone was not delivered to %s: %s", node, error)
            return
        await self._tombstone_delivery.write_tombstone(node, tombstone, mtime_seconds=seconds)

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


def differing_shards(own: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Return the shards in which another mirror has other tombstones."""
    return sorted(shard for shard in theirs if theirs[shard] != own.get(shard))


def missed_tombstones(volume: VolumeId, own: set[str], theirs: set[str]) -> list[Tombstone]:
    """Return the tombstones among the names that another mirror has and this one lacks."""
    missed: list[Tombstone] = []
    for name in sorted(theirs - own):
        with contextlib.suppress(InvalidPath):
            file = parse_name(volume, name)
            if isinstance(file, PhotoTombstone | VersionTombstone):
                missed.append(file)
    return missed
