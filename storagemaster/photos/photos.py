"""What has become of a photo: pending, ready or failed, as the files beside its original say."""

import hashlib
import json
from typing import Any

from storagemaster.caches.info_cache import InfoCache
from storagemaster.errors import PhotoGone
from storagemaster.jobs.bundles import reason_of
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.photo_files import PhotoFiles, PhotoReader
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
        self, reads: PhotoReader, urls: PhotoUrls, cache: InfoCache, queue: SizesQueue
    ) -> None:
        self._queue = queue
        self._reads = reads
        self._urls = urls
        self._cache = cache

    async def status(self, photo_version: PhotoVersion) -> PhotoStatus:
        """The state of a photo version.

        Raises:
            UnknownVolume, UnknownPhoto, PhotoGone: As their names say.
            Unavailable: Not every mirror could be asked, and those that could do not have it.
        """
        files = await self._reads.files_of(photo_version.volume, photo_version.photo)
        if PhotoTombstone(photo_version.volume, photo_version.photo) in files.holders:
            raise PhotoGone(f"photo {photo_version.photo} was deleted")
        if VersionTombstone(photo_version) in files.holders:
            raise PhotoGone(f"version {photo_version} was deleted")
        original = _original_of(photo_version, files)
        if original is None:
            files.refuse(f"photo {photo_version}")
        if Info(photo_version) in files.holders:
            return self.ready(
                photo_version, await self._info(photo_version, files), original_ext=original.ext
            )
        if Failure(photo_version) in files.holders:
            failure = await self._reads.fetch(Failure(photo_version), files)
            return self._unfinished(original, "failed", reason_of(failure))
        position = await self._queue.position(original)
        return self._unfinished(original, "pending", position=position)

    async def _info(self, photo_version: PhotoVersion, files: PhotoFiles) -> dict[str, Any]:
        data = await self._cache.get(photo_version)
        noted = files.digests.get(Info(photo_version), frozenset())
        if data is None or hashlib.sha256(data).hexdigest() not in noted:
            data = await self._reads.fetch(Info(photo_version), files)
            await self._cache.put(photo_version, data)
        info: dict[str, Any] = json.loads(data)
        return info

    def ready(
        self, photo_version: PhotoVersion, info: dict[str, Any], *, original_ext: str
    ) -> PhotoStatus:
        """The status of a photo whose info is this."""
        letters = list(dict.fromkeys(made["size"] for made in info["variants"]))
        return PhotoStatus(
            volume=photo_version.volume,
            photo=photo_version.photo,
            version=photo_version.version,
            state="ready",
            info=info,
            urls=self._urls.of_letters(photo_version, letters, original_ext=original_ext),
        )

    def _unfinished(
        self, original: Variant, state: str, reason: str = "", *, position: int | None = None
    ) -> PhotoStatus:
        return PhotoStatus(
            volume=original.photo_version.volume,
            photo=original.photo_version.photo,
            version=original.photo_version.version,
            state=state,
            position=position,
            reason=reason,
            urls=self._urls.of_letters(original.photo_version, [], original_ext=original.ext),
        )


def _original_of(photo_version: PhotoVersion, files: PhotoFiles) -> Variant | None:
    for file in files.holders:
        if isinstance(file, Variant) and file.photo_version == photo_version and file.is_original:
            return file
    return None
