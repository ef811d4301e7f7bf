"""Status of a photo: pending, ready or failed, decided by the files beside its original."""

import hashlib
from typing import Any

from storagemaster.caches.info_cache import InfoCache, info_of, letters_of
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.photo_files import PhotoFiles, PhotoReader
from storagemaster.photos.photo_urls import NO_URLS, PhotoUrls, UrlGrant
from storagemaster.wire import PhotoStatus
from volumes.attempts import reason_in
from volumes.json_text import parse_json
from volumes.photo_path import Failure, Info, PhotoVersion, Variant
from volumes.version_files import VersionState


class Photos:
    """Status of photos, read from the mirrors."""

    def __init__(
        self, reads: PhotoReader, urls: PhotoUrls, cache: InfoCache, queue: SizesQueue
    ) -> None:
        self._queue = queue
        self._reads = reads
        self._urls = urls
        self._cache = cache

    async def status(self, photo_version: PhotoVersion, grant: UrlGrant = NO_URLS) -> PhotoStatus:
        """Return the status of a photo version, with the granted URLs.

        Raises:
            UnknownVolume: The config has no such volume.
            UnknownPhoto: No mirror has the original, and all mirrors responded.
            PhotoGone: The photo or the version was deleted.
            Unavailable: No mirror that responded has the original.
        """
        files = await self._reads.files_of(photo_version.volume, photo_version.photo)
        original = files.original_of(photo_version)
        match files.version(photo_version).state:
            case VersionState.READY:
                info = await self._info(photo_version, files)
                return self.ready(photo_version, info, original_ext=original.ext, grant=grant)
            case VersionState.FAILED:
                failure = await self._reads.fetch(Failure(photo_version), files)
                return self._unfinished(
                    original, VersionState.FAILED, reason_in(failure), grant=grant
                )
            case _:
                position = await self._queue.position(original)
                return self._unfinished(
                    original, VersionState.PENDING, position=position, grant=grant
                )

    async def _info(self, photo_version: PhotoVersion, files: PhotoFiles) -> dict[str, Any]:
        now = self._cache.now()
        found = await self._cache.get_many([photo_version])
        cached = found.confirmed.get(photo_version) or found.older.get(photo_version)
        recorded = files.digests.get(Info(photo_version), frozenset())
        if cached is not None and hashlib.sha256(cached.document).hexdigest() in recorded:
            data = cached.document
        else:
            data = await self._reads.fetch(Info(photo_version), files)
            read = info_of(data)
            if read is not None:
                await self._cache.put_many(
                    {photo_version: read}, confirmed_seconds=now, found=found
                )
        info: dict[str, Any] = parse_json(data)
        return info

    def ready(
        self,
        photo_version: PhotoVersion,
        info: dict[str, Any],
        *,
        original_ext: str,
        grant: UrlGrant,
    ) -> PhotoStatus:
        """Return the status of a photo that has this info document."""
        return PhotoStatus(
            volume=photo_version.volume,
            photo=photo_version.photo,
            version=photo_version.version,
            state=VersionState.READY.value,
            info=info,
            urls=self._urls.of_letters(
                photo_version, letters_of(info), original_ext=original_ext, grant=grant
            ),
        )

    def _unfinished(
        self,
        original: Variant,
        state: VersionState,
        reason: str = "",
        *,
        position: int | None = None,
        grant: UrlGrant,
    ) -> PhotoStatus:
        return PhotoStatus(
            volume=original.photo_version.volume,
            photo=original.photo_version.photo,
            version=original.photo_version.version,
            state=state.value,
            position=position,
            reason=reason,
            urls=self._urls.of_letters(
                original.photo_version, [], original_ext=original.ext, grant=grant
            ),
        )
