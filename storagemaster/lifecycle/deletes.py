"""Deleting: tombstones on every mirror first, then bytes to the trash, then the edges purged."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from runtime.crashpoint import crashpoint
from storagemaster.caches.info_cache import InfoCache
from storagemaster.caches.purging import EdgePurger
from storagemaster.caches.variants import all_variants
from storagemaster.errors import Unavailable
from storagemaster.events.events import Event, Events
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.mirroring import Mirroring
from storagemaster.mirrors.photo_files import PhotoReader
from storagemaster.mirrors.placement import NoPlacement, Target, place_in_volume
from storagemaster.uploads.uploads import copies_of
from storagemaster.wire import Deletion
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import Place
from volumes.cluster import Cluster, NodeId
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    VolumeId,
)

log = logging.getLogger(__name__)


class Deletes:
    """The deletes of one storagemaster."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Mapping[NodeId, NodeClient],
        fleet: Fleet,
        reads: PhotoReader,
        mirroring: Mirroring,
        purging: EdgePurger,
        tombstone_delivery: TombstoneDelivery,
        cache: InfoCache,
        events: Events,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet
        self._reads = reads
        self._mirroring = mirroring
        self._purging = purging
        self._tombstone_delivery = tombstone_delivery
        self._cache = cache
        self._events = events
        self._now_seconds = now_seconds

    async def delete(self, volume: VolumeId, photo: PhotoId, version: Version | None) -> Deletion:
        """Make a version, or with None the whole photo, gone for ever. Doing it again is harmless.

        Raises:
            UnknownVolume, UnknownPhoto: There is nothing to delete, and every mirror said so.
            Unavailable: No two nodes could take the tombstone.
        """
        versions, unseen = await self._versions(volume, photo, version)
        if version is not None:
            tombstone: PhotoTombstone | VersionTombstone = VersionTombstone(
                PhotoVersion(volume, photo, version)
            )
        else:
            tombstone = PhotoTombstone(volume, photo)
        placed = place_in_volume(
            self._cluster, self._fleet.view(), self._cluster.volumes[volume], strict=False
        )
        if isinstance(placed, NoPlacement):
            raise Unavailable(f"{placed.reason}; the photo was not deleted, try again")
        mtime = int(self._now_seconds())

        async def write_tombstone(target: Target) -> None:
            if target.node in unseen and target.hint_for is None:
                await self._tombstone_delivery.write_tombstone(
                    target.node, tombstone, mtime_seconds=mtime
                )
            else:
                place = Place(tombstone, target.hint_for)
                await self._nodes[target.node].write_tombstone(place, mtime_seconds=mtime)
            crashpoint("tombstone_made")

        copies = await self._mirroring.write_all(placed, write_tombstone)
        self._events.publish(
            Event(volume=volume, photo=photo, version=version or "", state="deleted")
        )
        versions_of = [PhotoVersion(volume, photo, each) for each in sorted(versions)]
        for photo_version in versions_of:
            await self._cache.drop(photo_version)
        paths = [
            path
            for photo_version in versions_of
            for path in all_variants(photo_version, self._cluster.sizes)
        ]
        crashpoint("before_purge")
        purged = await self._purging.purge(paths)
        crashpoint("purge_sent")
        purge_pending = tuple(id_ for id_ in self._cluster.edges if id_ not in purged)
        holders = [target.node for target in copies.targets]
        for edge in purge_pending:
            await self._owe_purge(edge, versions_of, holders, mtime_seconds=mtime)
        return Deletion(
            volume=volume,
            photo=photo,
            version=version or "",
            copies=copies_of(self._cluster, copies),
            pending_mirrors=copies.pending_mirrors,
            purged=purged,
            purge_pending=purge_pending,
        )

    async def _owe_purge(
        self,
        edge: str,
        versions: Sequence[PhotoVersion],
        holders: Sequence[NodeId],
        *,
        mtime_seconds: int,
    ) -> None:
        """Have the nodes that took the tombstone remember what an edge has still to forget."""
        for photo_version in versions:
            place = Place(VersionTombstone(photo_version), NodeId(edge))
            for holder in holders:
                try:
                    await self._nodes[holder].write_tombstone(place, mtime_seconds=mtime_seconds)
                except NodeError as error:
                    log.warning(
                        "the purge of %s at %s is not owed by %s: %s",
                        photo_version,
                        edge,
                        holder,
                        error,
                    )

    async def _versions(
        self, volume: VolumeId, photo: PhotoId, version: Version | None
    ) -> tuple[set[Version], Collection[NodeId]]:
        """The versions to forget, and the mirrors that may have others.

        That is the one that is named, or all that any mirror ever had.
        """
        files = await self._reads.files_of(volume, photo)
        is_gone = PhotoTombstone(volume, photo) in files.holders
        found = {
            f.photo_version.version for f in files.holders if not isinstance(f, PhotoTombstone)
        }
        if not (files.unreachable or is_gone or (version in found if version else found)):
            files.refuse(f"photo {photo}" + (f" with version {version}" if version else ""))
        if version is not None:
            return {version}, ()
        # Whoever deleted it first may have died before the edges knew: the trash has its versions.
        if is_gone:
            found |= await self._reads.versions_in_trash(volume, photo)
        return found, files.unreachable
