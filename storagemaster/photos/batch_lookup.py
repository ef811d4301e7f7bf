"""Status of a batch of photos: one multi-get to memcached, and one query to each node if needed.

An info that memcached has, and that nodes confirmed a short time ago, needs no query. Otherwise the
nodes return which photos exist, which are gone, and the digest of each info. They check four names
for each photo and read no file: the info names the original. An older cached info counts only if
its digest matches, so a wrong or outdated one is never used.
"""

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from storagemaster.caches.info_cache import CachedInfo, CachedInfos, InfoCache, info_of
from storagemaster.errors import MasterError, PhotoGone, Unavailable
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.photos.photo_urls import PhotoUrls, UrlGrant
from storagemaster.photos.photos import Photos
from storagemaster.wire import PhotoStatus, render_status
from volumes.cluster import NodeId
from volumes.photo_path import Info, PhotoFile, PhotoVersion, Variant, volume_of
from volumes.sizes import ORIGINAL_LETTER
from volumes.version_files import VersionFiles, VersionState, tombstones_of

# Concurrent status requests for the photos of a batch that are not simply ready.
CONCURRENT_STATUSES_MAX = 8


@dataclass(frozen=True, slots=True)
class InfoSource:
    """Digest of an existing info, and the nodes that have it, nearest first."""

    digest: str
    holders: tuple[NodeId, ...]


Digests = Mapping[NodeId, Mapping[PhotoFile, str]]


class BatchLookup:
    """Lookups of up to `wire.BATCH_PHOTOS_MAX` photos at once."""

    def __init__(
        self,
        mirrors: Mirrors,
        photos: Photos,
        urls: PhotoUrls,
        cache: InfoCache,
    ) -> None:
        self._mirrors = mirrors
        self._photos = photos
        self._urls = urls
        self._cache = cache

    async def lookup(self, versions: Sequence[PhotoVersion], grant: UrlGrant) -> list[bytes]:
        """Return the JSON status of each photo version, in order. None of them fails the others."""
        requested = tuple(dict.fromkeys(versions))
        found = await self._cache.get_many(requested)
        infos = dict(found.confirmed)
        if len(infos) < len(requested):
            unknown = [version for version in requested if version not in infos]
            infos |= await self._from_nodes(unknown, found)
        texts = {
            photo_version: text
            for photo_version, info in infos.items()
            if (text := self._render_ready(photo_version, info, grant)) is not None
        }
        others = [photo_version for photo_version in requested if photo_version not in texts]
        for photo_version, status in (await self._statuses(others, grant)).items():
            texts[photo_version] = render_entry(status)
        return [texts[photo_version] for photo_version in versions]

    async def _from_nodes(
        self, requested: Sequence[PhotoVersion], found: CachedInfos
    ) -> dict[PhotoVersion, CachedInfo]:
        """Return the infos of the photos that are ready, as the nodes report, and cache them."""
        now = self._cache.now()
        files: list[PhotoFile] = [original_of(v, info) for v, info in found.older.items()]
        for photo_version in requested:
            files += (*tombstones_of(photo_version), Info(photo_version))
        digests = await self._digests(files)
        sources = locate_infos(requested, digests)
        cached = {
            photo_version: info
            for photo_version, info in found.older.items()
            if photo_version in sources
            and hashlib.sha256(info.document).hexdigest() == sources[photo_version].digest
        }
        read = await self._read({v: source for v, source in sources.items() if v not in cached})
        originals = await self._digests(original_of(v, info) for v, info in read.items())
        known = known_files(digests) | known_files(originals)
        infos = {
            photo_version: info
            for photo_version, info in (cached | read).items()
            if original_of(photo_version, info) in known
        }
        await self._cache.put_many(infos, confirmed_seconds=now, found=found)
        return infos

    def _render_ready(
        self, photo_version: PhotoVersion, info: CachedInfo, grant: UrlGrant
    ) -> bytes | None:
        """Return what `render_status` returns, as JSON, with the info document as it is.

        The result is None if the info lists a size that the config does not have.
        """
        try:
            urls = self._urls.json_of_letters(
                photo_version, info.letters, original_ext=info.original_ext, grant=grant
            )
        except KeyError:
            return None
        head = (
            f'{{"volume": {photo_version.volume}, "photo": "{photo_version.photo}", '
            f'"version": "{photo_version.version}", "state": "{VersionState.READY}", '
            '"position": null, "reason": "", "info": '
        )
        return b'%b%b, "urls": %b}' % (head.encode(), info.document, urls.encode())

    async def _digests(self, requested: Iterable[PhotoFile]) -> Digests:
        """Return the digests of these files on each mirror, the own colo first."""
        volumes = self._mirrors.cluster.volumes
        files: dict[NodeId, list[PhotoFile]] = defaultdict(list)
        for file in requested:
            if volume_of(file) in volumes:
                for node in volumes[volume_of(file)].mirrors:
                    files[node].append(file)
        found = await self._mirrors.query(
            self._mirrors.local_first(files), lambda id_, node: node.digests(files[id_])
        )
        return found.results

    async def _read(
        self, missed: Mapping[PhotoVersion, InfoSource]
    ) -> dict[PhotoVersion, CachedInfo]:
        """Return these infos, each from its nearest node.

        Infos of nodes that fail, and incomplete infos, are missing.
        """
        infos: dict[NodeId, list[Info]] = defaultdict(list)
        for photo_version, source in missed.items():
            infos[source.holders[0]].append(Info(photo_version))
        documents = await self._mirrors.query(infos, lambda id_, node: node.infos(infos[id_]))
        return {
            file.photo_version: info
            for read in documents.results.values()
            for file, data in read.items()
            if (info := info_of(data)) is not None
        }

    async def _statuses(
        self, versions: Iterable[PhotoVersion], grant: UrlGrant
    ) -> dict[PhotoVersion, PhotoStatus]:
        """Return the status of each version, or the reason for having no status."""
        slots = asyncio.Semaphore(CONCURRENT_STATUSES_MAX)

        async def status(photo_version: PhotoVersion) -> PhotoStatus:
            async with slots:
                try:
                    return await self._photos.status(photo_version, grant)
                except MasterError as error:
                    return error_entry(photo_version, error)

        requested = list(versions)
        statuses = await asyncio.gather(*map(status, requested))
        return dict(zip(requested, statuses, strict=True))


def original_of(photo_version: PhotoVersion, info: CachedInfo) -> Variant:
    """Return the original that an info names."""
    return Variant(photo_version, ORIGINAL_LETTER, info.original_ext)


def known_files(results: Digests) -> set[PhotoFile]:
    """Return the files that any mirror has."""
    return {file for files in results.values() for file in files}


def locate_infos(
    requested: Sequence[PhotoVersion], results: Digests
) -> dict[PhotoVersion, InfoSource]:
    """Return the infos that mirrors have, of the photos that no known tombstone covers."""
    known = known_files(results)
    found = {}
    for photo_version in requested:
        if VersionFiles(photo_version, known).state is not VersionState.READY:
            continue
        holders = {
            node: files[Info(photo_version)]
            for node, files in results.items()
            if files.get(Info(photo_version))
        }
        if holders:
            nearest, *_ = holders
            found[photo_version] = InfoSource(holders[nearest], tuple(holders))
    return found


def error_entry(photo_version: PhotoVersion, error: MasterError) -> PhotoStatus:
    """Return the entry of a photo without status: it is gone, unknown, or unavailable now."""
    match error:
        case PhotoGone():
            state = "gone"
        case Unavailable():
            state = "unavailable"
        case _:
            state = "unknown"
    return _entry_without_status(photo_version, state, str(error))


def unknown_entry(photo_version: PhotoVersion) -> bytes:
    """Return the JSON entry of a photo in a volume that the caller may not use."""
    reason = f"volume {photo_version.volume} is not in the cluster's config"
    return render_entry(_entry_without_status(photo_version, "unknown", reason))


def render_entry(status: PhotoStatus) -> bytes:
    """Return the JSON of one photo of a batch."""
    return json.dumps(render_status(status)).encode()


def _entry_without_status(photo_version: PhotoVersion, state: str, reason: str) -> PhotoStatus:
    return PhotoStatus(
        volume=photo_version.volume,
        photo=photo_version.photo,
        version=photo_version.version,
        state=state,
        reason=reason,
        urls={},
    )
