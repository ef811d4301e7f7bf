"""Telling a mirror of a tombstone that it had not heard of, and the edges of what it still served.

While the mirror knew nothing, an edge may have fetched the photo from it, after the purge of the
delete; and it may have versions that whoever deleted could not see.
"""

from collections.abc import Mapping

from storagemaster.caches.purging import EdgePurger
from storagemaster.caches.variants import all_variants
from storagenode.client import NodeClient
from storagenode.protocol.layout import Place
from volumes.cluster import Cluster, NodeId
from volumes.photo_path import (
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    parse_name,
)

Tombstone = PhotoTombstone | VersionTombstone


class TombstoneDelivery:
    """Brings tombstones to mirrors, after the fact."""

    def __init__(
        self, cluster: Cluster, nodes: Mapping[NodeId, NodeClient], purging: EdgePurger
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._purging = purging

    async def write_tombstone(
        self, node: NodeId, tombstone: Tombstone, *, mtime_seconds: int
    ) -> None:
        """Return when a mirror has the tombstone, and the edges were told of what it covers there.

        The purges are owed before they are due, so that none is lost with this process.

        Raises:
            NodeError: The mirror did not take it.
        """
        versions = await self._versions_on(node, tombstone)
        client = self._nodes[node]
        for photo_version in versions:
            for edge in self._cluster.edges:
                delivered_edge = Place(VersionTombstone(photo_version), NodeId(edge))
                await client.write_tombstone(delivered_edge, mtime_seconds=mtime_seconds)
        await client.write_tombstone(Place(tombstone), mtime_seconds=mtime_seconds)
        paths = [
            path
            for photo_version in versions
            for path in all_variants(photo_version, self._cluster.sizes)
        ]
        if paths:
            await self._purging.purge(paths)

    async def _versions_on(self, node: NodeId, tombstone: Tombstone) -> list[PhotoVersion]:
        """The versions that the mirror has still files of and that the tombstone covers."""
        if isinstance(tombstone, PhotoTombstone):
            volume, photo = tombstone.volume, tombstone.photo
        else:
            volume, photo = tombstone.photo_version.volume, tombstone.photo_version.photo
        listed = await self._nodes[node].list_photo(volume, photo)
        files = [parse_name(volume, each.name) for each in listed]
        live = {
            f.photo_version for f in files if not isinstance(f, PhotoTombstone | VersionTombstone)
        }
        if isinstance(tombstone, VersionTombstone):
            live &= {tombstone.photo_version}
        return sorted(live, key=str)
