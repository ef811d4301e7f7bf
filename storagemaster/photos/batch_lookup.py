"""A page of photos at once: one multi-get to memcached, and one question to each node.

The nodes say which photos are there, which are gone, and what digest each info has: three looks at
names a photo, and no file is read. memcached only saves the reading. What it says is held against
that digest, so that nothing it makes up, mixes up or has kept too long can be believed.
"""

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from storagemaster.caches.info_cache import InfoCache
from storagemaster.errors import MasterError, PhotoGone, Unavailable
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.node_queries import NodeResults, query_nodes
from storagemaster.photos.photos import Photos
from storagemaster.wire import PhotoStatus
from storagenode.client import NodeClient
from volumes.cluster import Cluster, Colo, NodeId
from volumes.photo_path import Info, PhotoFile, PhotoTombstone, PhotoVersion, VersionTombstone

# Photos of a page that are asked for one by one, because they are not simply ready.
ONE_BY_ONE_MAX = 8


@dataclass(frozen=True, slots=True)
class InfoSource:
    """An info that is there: its digest, and the nodes that have it, nearest first."""

    digest: str
    holders: tuple[NodeId, ...]


Digests = Mapping[NodeId, Mapping[PhotoFile, str]]


class BatchLookup:
    """Answers for up to `wire.BATCH_PHOTOS_MAX` photos at once."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Mapping[NodeId, NodeClient],
        fleet: Fleet,
        photos: Photos,
        cache: InfoCache,
        colo: Colo,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet
        self._photos = photos
        self._cache = cache
        self._colo = colo

    async def lookup(self, versions: Sequence[PhotoVersion]) -> list[PhotoStatus]:
        """The state of each photo version, in the order asked for; none of them fails the rest."""
        asked = tuple(dict.fromkeys(versions))
        cached, answers = await asyncio.gather(self._cache.get_many(asked), self._digests(asked))
        sought = locate_infos(asked, answers.results)
        documents = {
            photo_version: document
            for photo_version, document in cached.items()
            if photo_version in sought
            and hashlib.sha256(document).hexdigest() == sought[photo_version].digest
        }
        missed = {
            photo_version: found
            for photo_version, found in sought.items()
            if photo_version not in documents
        }
        read = await self._read(missed)
        await self._cache.put_many(read)
        documents |= read
        ready = {
            photo_version: self._ready(photo_version, document)
            for photo_version, document in documents.items()
        }
        rest = await self._one_by_one(
            photo_version for photo_version in asked if ready.get(photo_version) is None
        )
        return [ready.get(photo_version) or rest[photo_version] for photo_version in versions]

    def _ready(self, photo_version: PhotoVersion, document: bytes) -> PhotoStatus | None:
        """The status that an info means; None if it does not say all that is needed."""
        try:
            info = json.loads(document)
            return self._photos.ready(photo_version, info, original_ext=info["original"]["ext"])
        except (ValueError, KeyError, TypeError):
            return None

    async def _digests(self, asked: Sequence[PhotoVersion]) -> NodeResults[Mapping[PhotoFile, str]]:
        """What each mirror says of the files that decide; those of our own colo first."""
        files: dict[NodeId, list[PhotoFile]] = defaultdict(list)
        for photo_version in asked:
            if photo_version.volume in self._cluster.volumes:
                for node in self._cluster.volumes[photo_version.volume].mirrors:
                    files[node] += (
                        PhotoTombstone(photo_version.volume, photo_version.photo),
                        VersionTombstone(photo_version),
                        Info(photo_version),
                    )
        order = sorted(files, key=lambda node: self._cluster.nodes[node].colo != self._colo)
        return await query_nodes(
            order, self._nodes, self._fleet, lambda id_, node: node.digests(files[id_])
        )

    async def _read(self, missed: Mapping[PhotoVersion, InfoSource]) -> dict[PhotoVersion, bytes]:
        """The documents of these infos, each from the nearest node that has it, if it answers."""
        infos: dict[NodeId, list[Info]] = defaultdict(list)
        for photo_version, found in missed.items():
            infos[found.holders[0]].append(Info(photo_version))
        answers = await query_nodes(
            infos, self._nodes, self._fleet, lambda id_, node: node.infos(infos[id_])
        )
        return {
            info.photo_version: data
            for read in answers.results.values()
            for info, data in read.items()
        }

    async def _one_by_one(self, rest: Iterable[PhotoVersion]) -> dict[PhotoVersion, PhotoStatus]:
        """What is pending, failed, gone or unknown; and why something cannot be said now."""
        turns = asyncio.Semaphore(ONE_BY_ONE_MAX)

        async def one(photo_version: PhotoVersion) -> PhotoStatus:
            async with turns:
                try:
                    return await self._photos.status(photo_version)
                except MasterError as error:
                    return error_entry(photo_version, error)

        asked = list(rest)
        statuses = await asyncio.gather(*(one(photo_version) for photo_version in asked))
        return dict(zip(asked, statuses, strict=True))


def locate_infos(asked: Sequence[PhotoVersion], results: Digests) -> dict[PhotoVersion, InfoSource]:
    """The infos of photos that are ready, which is all but those a tombstone is known of."""
    found = {}
    for photo_version in asked:
        tombstones = (
            PhotoTombstone(photo_version.volume, photo_version.photo),
            VersionTombstone(photo_version),
        )
        if any(tombstone in files for files in results.values() for tombstone in tombstones):
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
    """The entry of a photo that has no status: it is gone, unknown, or not to be had now."""
    match error:
        case PhotoGone():
            state = "gone"
        case Unavailable():
            state = "unavailable"
        case _:
            state = "unknown"
    return PhotoStatus(
        volume=photo_version.volume,
        photo=photo_version.photo,
        version=photo_version.version,
        state=state,
        reason=str(error),
        urls={},
    )
