"""Search for the photo of an earlier upload with the same Idempotency-Key, in the key's volume.

The mirrors of the volume refuse other bytes, and photos that were deleted, by themselves. While one
of them is down, or may miss files that other nodes hold for it, those nodes are queried as well.
"""

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from storagemaster.errors import PhotoGone, Unavailable
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.placement import NoPlacement, Placement
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import Place
from volumes.cluster import NodeId, Volume
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import PhotoVersion, VolumeId, parse_name, volume_of
from volumes.version_files import VersionFiles, originals_in


@dataclass(frozen=True, slots=True)
class EarlierUpload:
    """Volume of an earlier upload, the second in which it was written, and its digest."""

    volume: VolumeId
    mtime_seconds: int
    digest: str


class EarlierUploads:
    """Searches for earlier uploads."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    def is_needed(self, volumes: Sequence[Volume], placed: Placement | NoPlacement) -> bool:
        """Return True unless the targets certainly have what was written with the key before.

        They have it if they are the mirrors of the only volume, and no node holds a hint.
        """
        is_complete = isinstance(placed, Placement) and placed.is_complete
        is_offloaded = self._mirrors.fleet.cold_tier_of(volumes[-1].number) is not None
        return len(volumes) > 1 or not is_complete or is_offloaded or bool(self._holders())

    async def find(
        self, volumes: Sequence[Volume], photo: PhotoId, version: Version
    ) -> EarlierUpload | None:
        """Return the earlier upload in the volumes of a key, or None if they have none.

        Raises:
            PhotoGone: The photo was stored, and has been deleted since.
            Unavailable: No mirror of a volume responded, so nothing is certain.
        """
        holders = self._holders()

        async def places_on(id_: NodeId, node: NodeClient) -> list[Place]:
            places: list[Place] = []
            for volume in volumes:
                if id_ in volume.mirrors:
                    listed = await node.list_photo(volume.number, photo)
                    places += [Place(parse_name(volume.number, each.name)) for each in listed]
                if id_ in holders:
                    hints = await node.list_photo_hints(volume.number, photo)
                    places += [hint.place for hint in hints]
            return places

        mirrors = [node for volume in volumes for node in volume.mirrors]
        found = await self._mirrors.query(dict.fromkeys([*mirrors, *holders]), places_on)
        places = [(node, place) for node, some in found.results.items() for place in some]
        files = {place.file for _, place in places}
        versions = {PhotoVersion(volume.number, photo, version) for volume in volumes}
        # Tombstones first: a mirror that has not received one may still have a copy.
        if any(VersionFiles(each, files).is_gone for each in versions):
            raise PhotoGone("the photo that was uploaded with this key has been deleted since")
        originals = {each for each in originals_in(files) if each.photo_version in versions}
        copies = [(node, place) for node, place in places if place.file in originals]
        if copies:
            return await self._first_readable(copies)
        for volume in volumes:
            self._require_response(volume, found.results)
        return None

    def _holders(self) -> list[NodeId]:
        """Return the nodes that held hints when they last responded."""
        views = self._mirrors.fleet.view()
        return [node for node, view in views.items() if view.status and view.status.hints]

    async def _first_readable(self, copies: Sequence[tuple[NodeId, Place]]) -> EarlierUpload:
        for node, place in copies:
            with contextlib.suppress(NodeError):
                metadata = await self._mirrors.nodes[node].stat(place)
                return EarlierUpload(volume_of(place.file), metadata.mtime_seconds, metadata.digest)
        raise Unavailable("this key was used before, and its photo cannot be read now; try again")

    def _require_response(self, volume: Volume, responded: Collection[NodeId]) -> None:
        """Raise unless a mirror that has all originals of a volume responded."""
        cold_tier = self._mirrors.fleet.cold_tier_of(volume.number)
        if not set(responded).intersection(cold_tier.cold_nodes if cold_tier else volume.mirrors):
            raise Unavailable(
                f"cannot check whether this key was used before: no mirror of volume "
                f"{volume.number} responded; try again"
            )
