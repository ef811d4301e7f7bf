"""Search for the photo of an earlier upload with the same Idempotency-Key, on all nodes."""

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from storagemaster.errors import PhotoGone, Unavailable
from storagemaster.mirrors.mirrors import Mirrors
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import HINTS, Place
from volumes.cluster import NodeId
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import InvalidPath, PhotoVersion, VolumeId, parse_path, volume_of
from volumes.version_files import VersionFiles


@dataclass(frozen=True, slots=True)
class EarlierUpload:
    """Volume of an earlier upload, the second in which it was written, and its digest."""

    volume: VolumeId
    mtime_seconds: int
    digest: str


class EarlierUploads:
    """Searches for earlier uploads. Only retries pay for them."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def find(self, photo: PhotoId, version: Version) -> EarlierUpload | None:
        """Return the earlier upload under this id, or None if there certainly is none.

        Raises:
            PhotoGone: The photo was stored, and has been deleted since.
            Unavailable: No mirror of some volume responded, so nothing is certain.
        """

        async def places_on(_: NodeId, node: NodeClient) -> list[Place]:
            paths = await node.find(photo)
            return [place for path in paths if (place := _parse_place(path)) is not None]

        found = await self._mirrors.query(self._mirrors.nodes, places_on)
        places = [(node, place) for node, some in found.results.items() for place in some]
        files = {place.file for _, place in places}
        volumes = {volume_of(file) for file in files}
        versions = [VersionFiles(PhotoVersion(each, photo, version), files) for each in volumes]
        # Tombstones first: a mirror that has not received one may still have a copy.
        if any(each.is_gone for each in versions):
            raise PhotoGone("the photo that was uploaded with this key has been deleted since")
        originals = {each.original for each in versions}
        copies = [(node, place) for node, place in places if place.file in originals]
        if copies:
            return await self._first_readable(copies)
        self._require_every_volume(found.results)
        return None

    async def _first_readable(self, copies: Sequence[tuple[NodeId, Place]]) -> EarlierUpload:
        for node, place in copies:
            with contextlib.suppress(NodeError):
                metadata = await self._mirrors.nodes[node].stat(place)
                return EarlierUpload(volume_of(place.file), metadata.mtime_seconds, metadata.digest)
        raise Unavailable("this key was used before, and its photo cannot be read now; try again")

    def _require_every_volume(self, responded: Collection[NodeId]) -> None:
        for volume in self._mirrors.cluster.volumes.values():
            if not set(responded).intersection(volume.mirrors):
                raise Unavailable(
                    f"cannot check whether this key was used before: no mirror of volume "
                    f"{volume.number} responded; try again"
                )


def _parse_place(path: str) -> Place | None:
    """Return the place that a path on a node is, or None for the trash and other areas."""
    head, _, rest = path.partition("/")
    with contextlib.suppress(InvalidPath):
        if head == HINTS:
            mirror, _, photo_path = rest.partition("/")
            return Place(parse_path(photo_path), NodeId(mirror))
        return Place(parse_path(path))
    return None
