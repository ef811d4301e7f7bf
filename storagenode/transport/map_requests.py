"""Requests to one node for volume maps."""

from storagenode.protocol import routes
from storagenode.protocol.maps import MapKind
from storagenode.transport.signed_requests import SignedRequests
from volumes.photo_path import VolumeId

# The node writes a few megabytes and creates the directories of its new volumes.
MAP_SECONDS = 30.0
# It renames each file. A bucket copies them, which takes longer, and continues after this time.
DROP_SECONDS = 60.0


class MapRequests(SignedRequests):
    """Sender of requests for volume maps. They raise as `NodeMaps` does."""

    async def keep_map(self, kind: MapKind, version: int, signed: bytes) -> None:
        """Make the node vote for a map, or follow a map in force."""
        target = routes.KEEP_MAP.target(kind=kind, version=version)
        await self._call(target, signed, timeout_seconds=MAP_SECONDS)

    async def drop_volume(self, volume: VolumeId, *, digest: str, map_version: int) -> None:
        """Make the node drop a volume that its map gives to other nodes, if it has this digest."""
        query = {"sha256": digest, "map": map_version}
        target = routes.DROP_VOLUME.target(query, volume=volume)
        await self._call(target, timeout_seconds=DROP_SECONDS)

    async def read_map(self, kind: MapKind, version: int) -> bytes:
        """Return a signed map that the node keeps."""
        target = routes.READ_MAP.target(kind=kind, version=version)
        async with self._streaming(target, timeout_seconds=MAP_SECONDS) as response:
            return await response.read()
