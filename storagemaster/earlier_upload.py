"""Finding what an earlier upload with the same Idempotency-Key left, wherever it is."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from storagemaster.errors import PhotoGone, Unavailable
from storagemaster.fleet import Fleet
from storagenode.client import NodeClient
from storagenode.errors import NodeError
from storagenode.layout import OWED, Place
from volumes.cluster import Cluster, NodeId
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import InvalidPath, PhotoTombstone, Variant, VolumeId, parse_path


@dataclass(frozen=True, slots=True)
class EarlierUpload:
    """Where an earlier upload went, and the second it was written in."""

    volume: VolumeId
    mtime_seconds: int


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
        asked = await asyncio.gather(*(self._paths_on(node, photo) for node in self._nodes))
        answers = dict(zip(self._nodes, asked, strict=True))
        for node, paths in answers.items():
            for path in paths or ():
                found = await self._earlier(node, path, version)
                if found is not None:
                    return found
        self._refuse_unless_sure({node for node, paths in answers.items() if paths is not None})
        return None

    async def _paths_on(self, node: NodeId, photo: PhotoId) -> list[str] | None:
        try:
            return await self._nodes[node].find(photo)
        except NodeError as error:
            self._fleet.report_unreachable(node, str(error))
            return None

    async def _earlier(self, node: NodeId, path: str, version: Version) -> EarlierUpload | None:
        place = _parse_place(path)
        if place is None:
            return None
        if isinstance(place.file, PhotoTombstone):
            raise PhotoGone("the photo that was uploaded with this key has been deleted since")
        if not isinstance(place.file, Variant) or not place.file.is_original:
            return None
        assert place.file.of.version == version
        with contextlib.suppress(NodeError):
            note = await self._nodes[node].stat(place)
            return EarlierUpload(place.file.of.volume, note.mtime_seconds)
        return None

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
        if head == OWED:
            home, _, photo_path = rest.partition("/")
            return Place(parse_path(photo_path), NodeId(home))
        return Place(parse_path(path))
    return None
