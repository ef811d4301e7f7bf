"""What has become of a photo: pending, ready or failed, as the files beside its original say."""

import hashlib
import json
from typing import Any

from storagemaster.caches.info_cache import InfoCache
from storagemaster.errors import PhotoGone
from storagemaster.jobs.bundles import reason_of
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.photo_files import PhotoFiles, PhotoReads
from storagemaster.photos.photo_urls import PhotoUrls
from storagemaster.wire import PhotoStatus
from volumes.photo_path import (
    Failure,
    Info,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
)


class Photos:
    """Answers for photos from what the mirrors have."""

    def __init__(
        self, reads: PhotoReads, urls: PhotoUrls, cache: InfoCache, queue: SizesQueue
    ) -> None:
        self._queue = queue
        self._reads = reads
        self._urls = urls
        self._cache = cache

    async def status(self, of: PhotoVersion) -> PhotoStatus:
        """The state of a photo version.

        Raises:
            UnknownVolume, UnknownPhoto, PhotoGone: As their names say.
            Unavailable: Not every mirror could be asked, and those that could do not have it.
        """
        files = await self._reads.files_of(of.volume, of.photo)
        if PhotoTombstone(of.volume, of.photo) in files.holders:
            raise PhotoGone(f"photo {of.photo} was deleted")
        if VersionTombstone(of) in files.holders:
            raise PhotoGone(f"version {of} was deleted")
        original = _original_of(of, files)
        if original is None:
            files.refuse(f"photo {of}")
        if Info(of) in files.holders:
            return self.ready(of, await self._info(of, files), original_ext=original.ext)
        if Failure(of) in files.holders:
            failure = await self._reads.fetch(Failure(of), files)
            return self._unfinished(original, "failed", reason_of(failure))
        position = await self._queue.position(original)
        return self._unfinished(original, "pending", position=position)

    async def _info(self, of: PhotoVersion, files: PhotoFiles) -> dict[str, Any]:
        data = await self._cache.get(of)
        noted = files.digests.get(Info(of), frozenset())
        if data is None or hashlib.sha256(data).hexdigest() not in noted:
            data = await self._reads.fetch(Info(of), files)
            await self._cache.put(of, data)
        info: dict[str, Any] = json.loads(data)
        return info

    def ready(self, of: PhotoVersion, info: dict[str, Any], *, original_ext: str) -> PhotoStatus:
        """The status of a photo whose info is this."""
        letters = list(dict.fromkeys(made["size"] for made in info["variants"]))
        return PhotoStatus(
            volume=of.volume,
            photo=of.photo,
            version=of.version,
            state="ready",
            info=info,
            urls=self._urls.of_letters(of, letters, original_ext=original_ext),
        )

    def _unfinished(
        self, original: Variant, state: str, reason: str = "", *, position: int | None = None
    ) -> PhotoStatus:
        return PhotoStatus(
            volume=original.of.volume,
            photo=original.of.photo,
            version=original.of.version,
            state=state,
            position=position,
            reason=reason,
            urls=self._urls.of_letters(original.of, [], original_ext=original.ext),
        )


def _original_of(of: PhotoVersion, files: PhotoFiles) -> Variant | None:
    for file in files.holders:
        if isinstance(file, Variant) and file.of == of and file.is_original:
            return file
    return None
