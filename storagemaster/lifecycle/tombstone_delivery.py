"""Late delivery of a tombstone to a mirror, with the purges of what the mirror still served.

Until it gets the tombstone, a mirror may send the photo to an edge that was purged before. It may
also have versions that the storagemaster did not see when it deleted the photo.
"""

import contextlib
from collections.abc import Iterable

from storagemaster.caches.purging import EdgePurger
from storagemaster.caches.variants import all_variants
from storagemaster.mirrors.mirrors import Mirrors
from storagenode.protocol.errors import StoreNotWritable
from storagenode.protocol.layout import Place
from volumes.cluster import NodeId
from volumes.photo_path import PhotoTombstone, PhotoVersion, VersionTombstone, parse_name
from volumes.version_files import tombstones_of, versions_in

Tombstone = PhotoTombstone | VersionTombstone


class TombstoneDelivery:
    """Delivery of tombstones to mirrors that missed them."""

    def __init__(self, mirrors: Mirrors, purging: EdgePurger) -> None:
        self._mirrors = mirrors
        self._nodes = mirrors.nodes
        self._purging = purging

    async def write_tombstone(
        self,
        node: NodeId,
        tombstone: Tombstone,
        *,
        mtime_seconds: int,
        map_version: int | None = None,
    ) -> None:
        """Return when a mirror has the tombstone, and the edges are purged of what it covers there.

        The mirror records each purge before the tombstone, so a crash of this process loses none.

        Raises:
            NodeError: The mirror did not store the tombstone.
        """
        versions = await self._versions_on(node, tombstone)
        client = self._nodes[node]
        for photo_version in versions:
            for edge in self._mirrors.cluster.edges:
                pending_purge = Place(VersionTombstone(photo_version), NodeId(edge))
                # A mirror without writes also needs the tombstone, which it keeps in memory.
                with contextlib.suppress(StoreNotWritable):
                    await client.write_tombstone(pending_purge, mtime_seconds=mtime_seconds)
        await client.write_tombstone(
            Place(tombstone), mtime_seconds=mtime_seconds, map_version=map_version
        )
        await self.purge(versions)

    async def purge(self, versions: Iterable[PhotoVersion]) -> None:
        """Purge the edges of all variants of some versions."""
        paths = [
            path
            for photo_version in versions
            for path in all_variants(photo_version, self._mirrors.cluster.sizes)
        ]
        if paths:
            await self._purging.purge(paths)

    async def seconds_of(self, node: NodeId, tombstone: Tombstone) -> int:
        """Return the second of a delete, as a mirror with its tombstone stores it.

        Raises:
            UnprovenTombstone: The mirror's tombstone has no valid proof.
            NodeError: The mirror does not have the tombstone, or did not respond.
        """
        return (await self._nodes[node].stat(Place(tombstone))).mtime_seconds

    async def _versions_on(self, node: NodeId, tombstone: Tombstone) -> list[PhotoVersion]:
        """Return the versions that the tombstone covers and that edges can have from the mirror.

        If the mirror has the tombstone already, the delete that wrote it may have failed before its
        purges. Its trash then names the versions.
        """
        if isinstance(tombstone, PhotoTombstone):
            volume, photo = tombstone.volume, tombstone.photo
        else:
            volume, photo = tombstone.photo_version.volume, tombstone.photo_version.photo
        client = self._nodes[node]
        listed = await client.list_photo(volume, photo)
        files = [parse_name(volume, each.name) for each in listed]
        if tombstone in files:
            files += [each.file for each in await client.list_trash(volume, photo)]
        served = [f for f in files if not isinstance(f, PhotoTombstone | VersionTombstone)]
        versions = [each.photo_version for each in versions_in(served)]
        return [each for each in versions if tombstone in tombstones_of(each)]
