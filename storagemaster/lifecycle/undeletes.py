"""Undelete: the original of a deleted photo, from any mirror's trash, becomes a new photo.

Its id and its URLs are new, because a tombstone never expires. The same deleted version always
becomes the same new photo, so repeating an undelete is harmless.
"""

import logging

from permission_urls import VolumeRanges
from runtime.quantities import quantity
from storagemaster.errors import (
    BadUpload,
    PhotoGone,
    TooManyPixels,
    Unavailable,
    UnknownPhoto,
)
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.photos.photo_urls import NO_URLS, UrlGrant
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody
from storagemaster.uploads.uploads import UploadRequest, Uploads
from storagemaster.wire import Receipt
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import ListedFile
from storagenode.protocol.layout import TrashedFile
from volumes.cluster import NodeId
from volumes.photo_id import PhotoId
from volumes.photo_path import Variant, VolumeId, parse_name
from volumes.version_files import VersionFiles, originals_in

log = logging.getLogger(__name__)

# No Idempotency-Key of a client begins with this, because keys are printable.
KEY_PREFIX = "\0undelete "


class Undeletes:
    """The undeletes of one storagemaster."""

    def __init__(self, mirrors: Mirrors, uploads: Uploads) -> None:
        self._mirrors = mirrors
        self._uploads = uploads

    async def undelete(
        self,
        volume: VolumeId,
        photo: PhotoId,
        *,
        urls: UrlGrant = NO_URLS,
        own_volumes: VolumeRanges | None = None,
    ) -> tuple[Receipt, bool]:
        """Store the last deleted original as a new photo; return its receipt, and True if new.

        Raises:
            UnknownVolume: The config has no such volume.
            UnknownPhoto: No trash has a deleted original of the photo, and all mirrors responded.
            PhotoGone: The photo was undeleted before, and the new photo was deleted.
            TooManyPixels: The limit is lower than when the photo was uploaded.
            Unavailable: A mirror is unreachable, or no copy could be read whole.
        """
        copies = await self._copies_of(volume, photo)
        failures = []
        for node, file in copies:
            try:
                return await self._take(node, file, urls=urls, own_volumes=own_volumes)
            except TooManyPixels:
                raise  # every copy has as many pixels
            except (BadUpload, NodeError) as error:
                log.warning("%s on node %s was not undeleted: %s", file.path, node, error)
                failures.append(f"{node}: {error}")
            except PhotoGone as error:
                raise PhotoGone(
                    f"photo {photo} was undeleted before, and the new photo was deleted"
                ) from error
        raise Unavailable(f"no copy in the trash could be read ({'; '.join(failures)})")

    async def _copies_of(
        self, volume: VolumeId, photo: PhotoId
    ) -> list[tuple[NodeId, TrashedFile]]:
        """Return all copies of the original that was deleted last. None is verified yet.

        The trash also has copies that were moved there by an offload or a repair of a photo that
        is not deleted, so only originals that a tombstone covers count.
        """

        async def listings(
            _: NodeId, node: NodeClient
        ) -> tuple[list[TrashedFile], tuple[ListedFile, ...]]:
            return await node.list_trash(volume, photo), await node.list_photo(volume, photo)

        found = await self._mirrors.query(self._mirrors.volume(volume).mirrors, listings)
        live = {
            parse_name(volume, each.name) for _, files in found.results.values() for each in files
        }
        originals = [
            (node, file)
            for node, (trash, _) in found.results.items()
            for file in trash
            if file.digest
            and any(
                VersionFiles(each.photo_version, live).is_gone for each in originals_in([file.file])
            )
        ]
        if not originals:
            if found.unreachable:
                raise Unavailable(
                    f"no trash has a deleted original of photo {photo}, but "
                    f"{', '.join(found.unreachable)} did not respond; try again"
                )
            raise UnknownPhoto(
                f"no trash has a deleted original of photo {photo}: it was not deleted, or more "
                f"than {quantity(self._mirrors.cluster.limits.trash_days, 'day')} ago"
            )
        last = max((file for _, file in originals), key=lambda file: (file.day, file.path))
        return [(node, file) for node, file in originals if file.file == last.file]

    async def _take(
        self,
        node: NodeId,
        file: TrashedFile,
        *,
        urls: UrlGrant,
        own_volumes: VolumeRanges | None,
    ) -> tuple[Receipt, bool]:
        assert isinstance(file.file, Variant), "only originals are undeleted"
        async with self._mirrors.nodes[node].stream_trashed(file) as stream:
            incoming = UploadBody(
                stream.chunks,
                DeclaredBody(bytes_total=file.bytes, sha256=file.digest),
                # It was accepted once, whatever the limit is now.
                bytes_max=file.bytes,
            )
            request = UploadRequest(
                declared=DeclaredBody(bytes_total=file.bytes, sha256=file.digest),
                idempotency_key=f"{KEY_PREFIX}{file.file.photo_version}",
                urls=urls,
                own_volumes=own_volumes,
            )
            return await self._uploads.take(incoming, request)
