"""Requests to one node for volume maps."""

from storagenode.protocol import routes
from storagenode.protocol.maps import MapKind
from storagenode.transport.signed_requests import SignedRequests

# The node writes a few megabytes and creates the directories of its new volumes.
MAP_SECONDS = 30.0


class MapRequests(SignedRequests):
    """Sender of requests for volume maps. They raise as `NodeMaps` does."""

    async def keep_map(self, kind: MapKind, version: int, signed: bytes) -> None:
        """Make the node vote for a map, or follow a map in force."""
        target = routes.KEEP_MAP.target(kind=kind, version=version)
        await self._call(target, signed, timeout_seconds=MAP_SECONDS)

    async def read_map(self, kind: MapKind, version: int) -> bytes:
        """Return a signed map that the node keeps."""
        target = routes.READ_MAP.target(kind=kind, version=version)
        async with self._streaming(target, timeout_seconds=MAP_SECONDS) as response:
            return await response.read()
