"""Requests to one node for its trash."""

from storagenode.protocol import routes, wire
from storagenode.protocol.layout import Place, TrashedFile
from storagenode.transport.signed_requests import SignedRequests
from volumes.photo_id import PhotoId
from volumes.photo_path import PhotoTombstone, VersionTombstone, VolumeId

# The node reads a thousand directories and `FILES_PER_REQUEST_MAX` files, perhaps from a cold disk.
LISTING_SECONDS = 30.0


class TrashRequests(SignedRequests):
    """Sender of requests for deleted photos. They raise as the store does."""

    async def list_trash(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """Return the files of a photo in the trash, the latest day first."""
        target = routes.LIST_TRASH.target(volume=volume, photo=photo)
        return wire.parse_trashed(await self._call(target))

    async def erase(self, tombstone: PhotoTombstone | VersionTombstone) -> list[str]:
        """Remove a deleted photo from every area of the node; return the removed paths."""
        place = Place(tombstone)
        target = routes.ERASE.at(place, proof=self.proven.sign(place))
        erased: list[str] = await self._call(target, timeout_seconds=LISTING_SECONDS)
        return erased
