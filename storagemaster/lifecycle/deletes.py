"""Deletes: tombstones on every mirror, then the bytes to the trash, then purges of the edges."""

import logging
import time
from collections.abc import Callable, Collection, Sequence

from runtime.crashpoint import crashpoint
from storagemaster.caches.info_cache import InfoCache
from storagemaster.caches.purging import EdgePurger
from storagemaster.caches.variants import all_variants
from storagemaster.errors import Unavailable
from storagemaster.events.events import Event, Events
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.mirrors.copies import Copies, copies_of
from storagemaster.mirrors.mirroring import Mirroring
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.photo_files import PhotoReader
from storagemaster.mirrors.placement import Target
from storagemaster.wire import Deletion
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import Place
from volumes.cluster import NodeId
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    VolumeId,
    volume_of,
)
from volumes.version_files import versions_in

log = logging.getLogger(__name__)


class Deletes:
    """The deletes of one storagemaster."""

    def __init__(
        self,
        mirrors: Mirrors,
        reads: PhotoReader,
        mirroring: Mirroring,
        purging: EdgePurger,
        tombstone_delivery: TombstoneDelivery,
        cache: InfoCache,
        events: Events,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._mirrors = mirrors
        self._reads = reads
        self._mirroring = mirroring
        self._purging = purging
        self._tombstone_delivery = tombstone_delivery
        self._cache = cache
        self._events = events
        self._now_seconds = now_seconds

    async def delete(self, volume: VolumeId, photo: PhotoId, version: Version | None) -> Deletion:
        """Delete a version, or the whole photo if `version` is None. Repeating it is harmless.

        Raises:
            UnknownVolume: The config has no such volume.
            UnknownPhoto: No mirror has anything to delete, and all mirrors responded.
            Unavailable: Fewer than two nodes stored the tombstone.
        """
        versions, unseen = await self._versions(volume, photo, version)
        if version is not None:
            tombstone: PhotoTombstone | VersionTombstone = VersionTombstone(
                PhotoVersion(volume, photo, version)
            )
        else:
            tombstone = PhotoTombstone(volume, photo)
        mtime = int(self._now_seconds())
        try:
            copies = await self._write(tombstone, unseen, mtime_seconds=mtime)
        except Unavailable:
            # A mirror can have refused it because the volume has other mirrors by now.
            if not await self._mirrors.catch_up():
                raise
            copies = await self._write(tombstone, unseen, mtime_seconds=mtime)
        self._events.publish(
            Event(volume=volume, photo=photo, version=version or "", state="deleted")
        )
        versions_of = [PhotoVersion(volume, photo, each) for each in sorted(versions)]
        await self._cache.drop(versions_of)
        paths = [
            path
            for photo_version in versions_of
            for path in all_variants(photo_version, self._mirrors.cluster.sizes)
        ]
        crashpoint("before_purge")
        purged = await self._purging.purge(paths)
        crashpoint("purge_sent")
        purge_pending = tuple(id_ for id_ in self._mirrors.cluster.edges if id_ not in purged)
        holders = [target.node for target in copies.targets]
        for edge in purge_pending:
            await self._record_purge(edge, versions_of, holders, mtime_seconds=mtime)
        return Deletion(
            volume=volume,
            photo=photo,
            version=version or "",
            copies=copies_of(self._mirrors.cluster, copies),
            pending_mirrors=copies.pending_mirrors,
            purged=purged,
            purge_pending=purge_pending,
        )

    async def _write(
        self,
        tombstone: PhotoTombstone | VersionTombstone,
        unseen: Collection[NodeId],
        *,
        mtime_seconds: int,
    ) -> Copies:
        """Write a tombstone on the mirrors of the present map."""
        map_version = self._mirrors.cluster.map_version
        placed = self._mirrors.place(volume_of(tombstone), outcome="the photo was not deleted")

        async def write_tombstone(target: Target) -> None:
            if target.node in unseen and target.hint_for is None:
                await self._tombstone_delivery.write_tombstone(
                    target.node, tombstone, mtime_seconds=mtime_seconds, map_version=map_version
                )
            else:
                await self._mirrors.nodes[target.node].write_tombstone(
                    Place(tombstone, target.hint_for),
                    mtime_seconds=mtime_seconds,
                    map_version=map_version,
                )
            crashpoint("tombstone_made")

        return await self._mirroring.write_all(placed, write_tombstone)

    async def _record_purge(
        self,
        edge: str,
        versions: Sequence[PhotoVersion],
        holders: Sequence[NodeId],
        *,
        mtime_seconds: int,
    ) -> None:
        """Record the pending purges of an edge on the nodes that stored the tombstone."""
        for photo_version in versions:
            place = Place(VersionTombstone(photo_version), NodeId(edge))
            for holder in holders:
                node = self._mirrors.nodes[holder]
                try:
                    await node.write_tombstone(place, mtime_seconds=mtime_seconds)
                except NodeError as error:
                    log.warning(
                        "the purge of %s at %s was not recorded on node %s: %s",
                        photo_version,
                        edge,
                        holder,
                        error,
                    )

    async def _versions(
        self, volume: VolumeId, photo: PhotoId, version: Version | None
    ) -> tuple[set[Version], Collection[NodeId]]:
        """Return the versions to purge, and the mirrors that may have others.

        They are the given version, or all that any mirror has or had.
        """
        files = await self._reads.files_of(volume, photo)
        is_gone = PhotoTombstone(volume, photo) in files.holders
        found = {each.photo_version.version for each in versions_in(files.holders)}
        if not (files.unreachable or is_gone or (version in found if version else found)):
            files.refuse(f"photo {photo}" + (f" with version {version}" if version else ""))
        if version is not None:
            return {version}, ()
        # A storagemaster may have died between its tombstone and the purges: the trash names the
        # versions.
        if is_gone:
            found |= await self._reads.versions_in_trash(volume, photo)
        return found, files.unreachable
