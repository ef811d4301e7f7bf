"""Status of a batch of photos: one multi-get to memcached, and one query to each node.

The nodes return which photos exist, which are gone, and the digest of each info. They check four
names for each photo and read no file: the info names the original. memcached only saves reading the
infos. A cached info counts only if its digest matches, so a wrong or outdated cache entry is never
used.
"""

import asyncio
import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from storagemaster.caches.info_cache import InfoCache
from storagemaster.errors import MasterError, PhotoGone, Unavailable
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.photos.photo_urls import UrlGrant
from storagemaster.photos.photos import Photos
from storagemaster.wire import PhotoStatus
from volumes.cluster import NodeId
from volumes.json_text import parse_json
from volumes.photo_path import EXTENSIONS, Info, PhotoFile, PhotoVersion, Variant, volume_of
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
        cache: InfoCache,
    ) -> None:
        self._mirrors = mirrors
        self._photos = photos
        self._cache = cache

    async def lookup(self, versions: Sequence[PhotoVersion], grant: UrlGrant) -> list[PhotoStatus]:
        """Return the status of each photo version, in order. None of them fails the others."""
        requested = tuple(dict.fromkeys(versions))
        cached = await self._cache.get_many(requested)
        originals = originals_in(cached)
        files: list[PhotoFile] = [*originals.values()]
        for photo_version in requested:
            files += (*tombstones_of(photo_version), Info(photo_version))
        found = await self._digests(files)
        sources = locate_infos(requested, found)
        documents = {
            photo_version: document
            for photo_version, document in cached.items()
            if photo_version in sources
            and hashlib.sha256(document).hexdigest() == sources[photo_version].digest
        }
        missed = {
            photo_version: source
            for photo_version, source in sources.items()
            if photo_version not in documents
        }
        read = await self._read(missed)
        await self._cache.put_many(read)
        documents |= read
        originals |= originals_in(read)
        missed_originals = [originals[each] for each in read if each in originals]
        known = known_files(found) | known_files(await self._digests(missed_originals))
        ready = {
            photo_version: self._ready(photo_version, document, grant)
            for photo_version, document in documents.items()
            if originals.get(photo_version) in known
        }
        others = await self._statuses(
            (version for version in requested if ready.get(version) is None), grant
        )
        return [ready.get(photo_version) or others[photo_version] for photo_version in versions]

    def _ready(
        self, photo_version: PhotoVersion, document: bytes, grant: UrlGrant
    ) -> PhotoStatus | None:
        """Return the status from an info document, or None if the document is incomplete."""
        try:
            info = parse_json(document)
            ext = info["original"]["ext"]
            return self._photos.ready(photo_version, info, original_ext=ext, grant=grant)
        except (ValueError, KeyError, TypeError):
            return None

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

    async def _read(self, missed: Mapping[PhotoVersion, InfoSource]) -> dict[PhotoVersion, bytes]:
        """Return these infos, each from its nearest node. Infos of nodes that fail are missing."""
        infos: dict[NodeId, list[Info]] = defaultdict(list)
        for photo_version, source in missed.items():
            infos[source.holders[0]].append(Info(photo_version))
        documents = await self._mirrors.query(infos, lambda id_, node: node.infos(infos[id_]))
        return {
            info.photo_version: data
            for read in documents.results.values()
            for info, data in read.items()
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


def originals_in(documents: Mapping[PhotoVersion, bytes]) -> dict[PhotoVersion, Variant]:
    """Return the originals that info documents name."""
    originals = {}
    for photo_version, document in documents.items():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            ext = parse_json(document)["original"]["ext"]
            if ext in EXTENSIONS:
                originals[photo_version] = Variant(photo_version, ORIGINAL_LETTER, ext)
    return originals


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
            found[photo_version] = InfoSource(next(iter(holders.values())), tuple(holders))
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


def unknown_entry(photo_version: PhotoVersion) -> PhotoStatus:
    """Return the entry of a photo in a volume that the caller may not use."""
    return _entry_without_status(
        photo_version, "unknown", f"volume {photo_version.volume} is not in the cluster's config"
    )


def _entry_without_status(photo_version: PhotoVersion, state: str, reason: str) -> PhotoStatus:
    return PhotoStatus(
        volume=photo_version.volume,
        photo=photo_version.photo,
        version=photo_version.version,
        state=state,
        reason=reason,
        urls={},
    )
