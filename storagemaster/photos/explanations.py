"""Explanation of one photo: every copy, tombstone, and hint, and its sizes and jobs."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from storagemaster.errors import MasterError, PhotoGone, UnknownPhoto
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.mirrors import OPERATOR_PATIENCE_SECONDS, Mirrors
from storagemaster.photos.photo_search import found_document, locations_of
from storagemaster.photos.photo_urls import SIZE_EXT
from storagemaster.photos.photos import Photos
from storagemaster.photos.viewer_responses import ViewerResponses
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import HINTS, TRASH, Place
from volumes.cluster import NodeId
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    InvalidPath,
    PhotoFile,
    PhotoVersion,
    Variant,
    VolumeId,
    parse_path,
    render_path,
    shard_of,
)
from volumes.version_files import VersionFiles, VersionState, versions_in

Document = dict[str, Any]


class Explanations:
    """Explanations of photos from the nodes and the queue."""

    def __init__(
        self, mirrors: Mirrors, photos: Photos, queue: SizesQueue, responses: ViewerResponses
    ) -> None:
        self._mirrors = mirrors
        self._photos = photos
        self._queue = queue
        self._responses = responses

    async def document(
        self, volume: VolumeId, photo: PhotoId, version: Version | None, *, size: str, ext: str
    ) -> Document:
        """Return the photo's mirrors, copies and versions, and the reason of unreachable nodes.

        With a version, mirrors and edges are also requested for this size of it. An empty `ext`
        is that of the original.

        Raises:
            UnknownVolume: The config has no such volume.
        """
        state = self._mirrors.volume(volume).state

        async def copies_on(id_: NodeId, node: NodeClient) -> list[Document]:
            return await self._copies_on(id_, node, volume, photo)

        found = await self._mirrors.query(
            self._mirrors.everywhere, copies_on, patience_seconds=OPERATOR_PATIENCE_SECONDS
        )
        copies = [copy for some in found.results.values() for copy in some]
        versions = versions_in(_files_of(copies))
        mirror_responses: Mapping[str, Document] = {}
        edge_responses: Mapping[str, Document] = {}
        if version is not None:
            photo_version = PhotoVersion(volume, photo, version)
            ext = ext or _original_ext(photo_version, versions)
            mirror_responses, edge_responses = await self._responses.of(
                Variant(photo_version, size, ext)
            )
        return {
            "volume": volume,
            "volume_state": state.value,
            "photo": photo,
            "mirrors": [
                {
                    "node": node.id,
                    "colo": node.colo,
                    "up": self._mirrors.fleet.is_up(node.id),
                    "response": mirror_responses.get(node.id),
                }
                for node in self._mirrors.cluster.mirrors_of(volume)
            ],
            "edges": [{"edge": edge, **response} for edge, response in edge_responses.items()],
            "copies": copies,
            "unreachable": dict(found.unreachable),
            "versions": [await self._version(each, copies) for each in versions],
        }

    async def _copies_on(
        self, id_: NodeId, node: NodeClient, volume: VolumeId, photo: PhotoId
    ) -> list[Document]:
        paths = await node.find(photo)
        locations = locations_of(paths)
        recorded: dict[str, tuple[int, str]] = {}
        if "live" in locations:
            directory = f"{volume}/{shard_of(photo)}"
            for listed in await node.list_photo(volume, photo):
                recorded[f"{directory}/{listed.name}"] = (listed.bytes, listed.digest)
        if "trash" in locations:
            for trashed in await node.list_trash(volume, photo):
                recorded[trashed.path] = (trashed.bytes, trashed.digest)
        documents = [found_document(self._mirrors.cluster, id_, path) for path in paths]
        for document in documents:
            if document["location"] == "hint":
                hint = Place(_file_at(document["path"]), NodeId(document["hint_for"]))
                metadata = await node.stat(hint)
                recorded[hint.path] = (metadata.size_bytes, metadata.digest)
        for document in documents:
            document["bytes"], document["sha256"] = recorded.get(document["path"], (None, ""))
        return documents

    async def _version(self, version: VersionFiles, copies: Iterable[Document]) -> Document:
        state, reason, position = await self._state(version.photo_version)
        job = await self._queue.job_state(version.original) if version.original else ""
        return {
            "version": version.photo_version.version,
            "state": state,
            "reason": reason,
            "job": job,
            "position": position,
            "stored_seconds": await self._stored_seconds(version, copies),
        }

    async def _stored_seconds(
        self, version: VersionFiles, copies: Iterable[Document]
    ) -> int | None:
        """Return the second of the upload, from the first node that has the live original."""
        if version.original is None:
            return None
        path = render_path(version.original)
        for copy in copies:
            if copy["path"] == path:
                with contextlib.suppress(NodeError):
                    node = self._mirrors.nodes[NodeId(copy["node"])]
                    return (await node.stat(Place(version.original))).mtime_seconds
        return None

    async def _state(self, photo_version: PhotoVersion) -> tuple[str, str, int | None]:
        try:
            status = await self._photos.status(photo_version)
        except PhotoGone as error:
            return VersionState.GONE.value, str(error), None
        except UnknownPhoto as error:
            return "missing", str(error), None
        except MasterError as error:
            return VersionState.UNKNOWN.value, str(error), None
        return status.state, status.reason, status.position


def _original_ext(photo_version: PhotoVersion, versions: Iterable[VersionFiles]) -> str:
    """Return the ext of a version's original, or that of most photos if no node has it."""
    originals = (each.original for each in versions if each.photo_version == photo_version)
    return next((each.ext for each in originals if each), SIZE_EXT)


def _file_at(path: str) -> PhotoFile:
    """Return the photo file that a path on a node refers to, in any area of the node."""
    head, _, rest = path.partition("/")
    return parse_path(rest.partition("/")[2] if head in {HINTS, TRASH} else path)


def _files_of(copies: Iterable[Document]) -> list[PhotoFile]:
    files = []
    for copy in copies:
        # Quarantined files have names of another form.
        with contextlib.suppress(InvalidPath):
            files.append(_file_at(copy["path"]))
    return files
