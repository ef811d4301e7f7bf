"""Finding what an earlier upload with the same Idempotency-Key left, wherever it is."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storagemaster.errors import PhotoGone, Unavailable
from storagemaster.mirrors.fleet import Fleet
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError, Unreachable
from storagenode.protocol.layout import HINTS, Place
from volumes.cluster import Cluster, NodeId
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    InvalidPath,
    PhotoFile,
    PhotoTombstone,
    Variant,
    VersionTombstone,
    VolumeId,
    parse_path,
)


@dataclass(frozen=True, slots=True)
class EarlierUpload:
    """Where an earlier upload went, the second it was written in, and what was written."""

    volume: VolumeId
    mtime_seconds: int
    digest: str


class EarlierUploads:
    """Searches the nodes. This is the price of a retry, not of every upload."""

    def __init__(self, cluster: Cluster, nodes: Mapping[NodeId, NodeClient], fleet: Fleet) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet

    async def find(self, photo: PhotoId, version: Version) -> EarlierUpload | None:
        """What an earlier upload under this id left; None if it surely left nothing.

        Raises:
            PhotoGone: It was kept, and has been deleted since.
            Unavailable: A volume has no mirror that can be asked, so that nothing is sure.
        """
        asked = await asyncio.gather(*(self._places_on(node, photo) for node in self._nodes))
        answers = dict(zip(self._nodes, asked, strict=True))
        places = [(node, place) for node, found in answers.items() for place in found or ()]
        # Before any copy: one that has not heard of the tombstone yet is no photo any more.
        if any(_says_gone(place.file, version) for _, place in places):
            raise PhotoGone("the photo that was uploaded with this key has been deleted since")
        originals = [(node, place) for node, place in places if _is_original(place.file, version)]
        if originals:
            return await self._first_noted(originals)
        self._refuse_unless_sure({node for node, found in answers.items() if found is not None})
        return None

    async def _places_on(self, node: NodeId, photo: PhotoId) -> list[Place] | None:
        if not self._fleet.is_up(node):
            return None
        try:
            paths = await self._nodes[node].find(photo)
        except NodeError as error:
            if isinstance(error, Unreachable):
                self._fleet.mark_down(node, str(error))
            return None
        return [place for path in paths if (place := _parse_place(path)) is not None]

    async def _first_noted(self, originals: Sequence[tuple[NodeId, Place]]) -> EarlierUpload:
        for node, place in originals:
            with contextlib.suppress(NodeError):
                metadata = await self._nodes[node].stat(place)
                assert isinstance(place.file, Variant)
                return EarlierUpload(
                    place.file.photo_version.volume, metadata.mtime_seconds, metadata.digest
                )
        raise Unavailable("this key was used before, and its photo cannot be read now; try again")

    def _refuse_unless_sure(self, answered: set[NodeId]) -> None:
        for volume in self._cluster.volumes.values():
            if not answered.intersection(volume.mirrors):
                raise Unavailable(
                    f"whether this key was used before cannot be told: no mirror of volume "
                    f"{volume.number} answers; try again"
                )


def _parse_place(path: str) -> Place | None:
    """The place a path on a node is; None for trash, quarantine and whatever else."""
    head, _, rest = path.partition("/")
    with contextlib.suppress(InvalidPath):
        if head == HINTS:
            mirror, _, photo_path = rest.partition("/")
            return Place(parse_path(photo_path), NodeId(mirror))
        return Place(parse_path(path))
    return None


def _says_gone(file: PhotoFile, version: Version) -> bool:
    return isinstance(file, PhotoTombstone) or (
        isinstance(file, VersionTombstone) and file.photo_version.version == version
    )


def _is_original(file: PhotoFile, version: Version) -> bool:
    return isinstance(file, Variant) and file.is_original and file.photo_version.version == version
