"""All there is to know of one photo: every copy, tombstone and owed file, its sizes and jobs."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from storagemaster.errors import MasterError, PhotoGone, UnknownPhoto, UnknownVolume
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.node_queries import query_nodes
from storagemaster.photos.photo_search import found_document, locations_of
from storagemaster.photos.photos import Photos
from storagenode.client import NodeClient
from storagenode.protocol.layout import HINTS, TRASH, Place
from volumes.cluster import Cluster, NodeId
from volumes.photo_id import PhotoId
from volumes.photo_path import (
    InvalidPath,
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VolumeId,
    parse_path,
    shard_of,
)

Document = dict[str, Any]


class Explanations:
    """Puts together what nodes and queue say of one photo."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Mapping[NodeId, NodeClient],
        fleet: Fleet,
        photos: Photos,
        queue: SizesQueue,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet
        self._photos = photos
        self._queue = queue

    async def document(self, volume: VolumeId, photo: PhotoId) -> Document:
        """The photo's mirrors, copies and versions, and the nodes that could not be asked and why.

        Raises:
            UnknownVolume: There is no such volume.
        """
        if volume not in self._cluster.volumes:
            raise UnknownVolume(f"volume {volume} is not in the cluster's config")

        async def copies_on(id_: NodeId, node: NodeClient) -> list[Document]:
            return await self._copies_on(id_, node, volume, photo)

        answers = await query_nodes(self._nodes, self._nodes, self._fleet, copies_on)
        copies = [copy for found in answers.results.values() for copy in found]
        return {
            "volume": volume,
            "volume_state": self._cluster.volumes[volume].state.value,
            "photo": photo,
            "mirrors": [
                {"node": node.id, "colo": node.colo, "up": self._fleet.is_up(node.id)}
                for node in self._cluster.mirrors_of(volume)
            ],
            "copies": copies,
            "unreachable": dict(answers.unreachable),
            "versions": [
                await self._version(photo_version, copies)
                for photo_version in _versions_of(volume, photo, copies)
            ],
        }

    async def _copies_on(
        self, id_: NodeId, node: NodeClient, volume: VolumeId, photo: PhotoId
    ) -> list[Document]:
        paths = await node.find(photo)
        places = locations_of(paths)
        noted: dict[str, tuple[int, str]] = {}
        if "live" in places:
            mirror = f"{volume}/{shard_of(photo)}"
            for listed in await node.list_photo(volume, photo):
                noted[f"{mirror}/{listed.name}"] = (listed.bytes, listed.digest)
        if "trash" in places:
            for trashed in await node.list_trash(volume, photo):
                noted[trashed.path] = (trashed.bytes, trashed.digest)
        documents = [found_document(self._cluster, id_, path) for path in paths]
        for document in documents:
            if document["location"] == "hint":
                held = Place(_file_at(document["path"]), NodeId(document["hint_for"]))
                metadata = await node.stat(held)
                noted[held.path] = (metadata.size_bytes, metadata.digest)
        for document in documents:
            document["bytes"], document["sha256"] = noted.get(document["path"], (None, ""))
        return documents

    async def _version(self, photo_version: PhotoVersion, copies: Iterable[Document]) -> Document:
        state, reason, position = await self._state(photo_version)
        original = _original_of(photo_version, copies)
        job = await self._queue.job_state(original) if original else ""
        return {
            "version": photo_version.version,
            "state": state,
            "reason": reason,
            "job": job,
            "position": position,
        }

    async def _state(self, photo_version: PhotoVersion) -> tuple[str, str, int | None]:
        try:
            status = await self._photos.status(photo_version)
        except PhotoGone as error:
            return "gone", str(error), None
        except UnknownPhoto as error:
            return "missing", str(error), None
        except MasterError as error:
            return "unknown", str(error), None
        return status.state, status.reason, status.position


def _file_at(path: str) -> PhotoFile:
    """The file that a path on a node is of, whichever part of the node it is in."""
    head, _, rest = path.partition("/")
    return parse_path(rest.partition("/")[2] if head in {HINTS, TRASH} else path)


def _files_of(copies: Iterable[Document]) -> list[PhotoFile]:
    files = []
    for copy in copies:
        # What was set aside has a name of its own.
        with contextlib.suppress(InvalidPath):
            files.append(_file_at(copy["path"]))
    return files


def _versions_of(
    volume: VolumeId, photo: PhotoId, copies: Iterable[Document]
) -> list[PhotoVersion]:
    files = _files_of(copies)
    versions = {
        file.photo_version.version for file in files if not isinstance(file, PhotoTombstone)
    }
    return [PhotoVersion(volume, photo, version) for version in sorted(versions)]


def _original_of(photo_version: PhotoVersion, copies: Iterable[Document]) -> Variant | None:
    for file in _files_of(copies):
        if isinstance(file, Variant) and file.photo_version == photo_version and file.is_original:
            return file
    return None
