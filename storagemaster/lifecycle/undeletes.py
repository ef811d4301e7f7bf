"""Bringing back a deleted photo: its original, from any mirror's trash, as a new photo.

Its id and its URLs are new, because a tombstone stays for ever. The same deleted version always
becomes the same new photo, so that asking twice is harmless.
"""

import logging
from collections.abc import Mapping

from storagemaster.errors import (
    BadUpload,
    PhotoGone,
    TooManyPixels,
    Unavailable,
    UnknownPhoto,
    UnknownVolume,
)
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.node_queries import query_nodes
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody
from storagemaster.uploads.uploads import UploadRequest, Uploads
from storagemaster.wire import Receipt
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import TrashedFile
from volumes.cluster import Cluster, NodeId
from volumes.photo_id import PhotoId
from volumes.photo_path import Variant, VolumeId

log = logging.getLogger(__name__)

# No client's Idempotency-Key begins so, because it would not be printable.
KEY_PREFIX = "\0undelete "


class Undeletes:
    """The undeletes of one storagemaster."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Mapping[NodeId, NodeClient],
        fleet: Fleet,
        uploads: Uploads,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet
        self._uploads = uploads

    async def undelete(self, volume: VolumeId, photo: PhotoId) -> tuple[Receipt, bool]:
        """Keep the original that was deleted last as a new photo; its receipt, and if it is new.

        Raises:
            UnknownVolume: There is no such volume.
            UnknownPhoto: No trash has an original of it, and every mirror said so.
            PhotoGone: It was brought back before, and what came of it was deleted as well.
            TooManyPixels: The limit is lower than when it was uploaded.
            Unavailable: Not every mirror could be asked, or no copy could be read whole.
        """
        if volume not in self._cluster.volumes:
            raise UnknownVolume(f"volume {volume} is not in the cluster's config")
        copies = await self._copies_of(volume, photo)
        failures = []
        for node, file in copies:
            try:
                return await self._take(node, file)
            except TooManyPixels:
                raise  # of every copy alike, until limits.pixels_max is raised
            except (BadUpload, NodeError) as error:
                log.warning("%s of %s was not brought back: %s", file.path, node, error)
                failures.append(f"{node}: {error}")
            except PhotoGone as error:
                raise PhotoGone(
                    f"photo {photo} was brought back before, and was deleted as that new photo too"
                ) from error
        raise Unavailable(f"no copy in the trash could be read ({'; '.join(failures)})")

    async def _copies_of(
        self, volume: VolumeId, photo: PhotoId
    ) -> list[tuple[NodeId, TrashedFile]]:
        """All copies of the original that was deleted last, none of them verified yet."""
        mirrors = self._cluster.volumes[volume].mirrors
        answers = await query_nodes(
            mirrors, self._nodes, self._fleet, lambda _, node: node.list_trash(volume, photo)
        )
        originals = [
            (node, file)
            for node, files in answers.results.items()
            for file in files
            if isinstance(file.file, Variant) and file.file.is_original and file.digest
        ]
        if not originals:
            if answers.unreachable:
                raise Unavailable(
                    f"no trash that could be looked into has an original of photo {photo}, but "
                    f"{', '.join(answers.unreachable)} could not be asked; try again"
                )
            raise UnknownPhoto(
                f"no trash has an original of photo {photo}: it was not deleted, or longer ago "
                f"than {self._cluster.limits.trash_days} days"
            )
        last = max((file for _, file in originals), key=lambda file: (file.day, file.path))
        return [(node, file) for node, file in originals if file.file == last.file]

    async def _take(self, node: NodeId, file: TrashedFile) -> tuple[Receipt, bool]:
        assert isinstance(file.file, Variant), "only originals are brought back"
        async with self._nodes[node].stream_trashed(file) as stream:
            incoming = UploadBody(
                stream.chunks,
                DeclaredBody(bytes_total=file.bytes, sha256=file.digest),
                # It was taken once, whatever the limit is today.
                bytes_max=file.bytes,
            )
            request = UploadRequest(
                announced=DeclaredBody(bytes_total=file.bytes, sha256=file.digest),
                idempotency_key=f"{KEY_PREFIX}{file.file.photo_version}",
            )
            return await self._uploads.take(incoming, request)
