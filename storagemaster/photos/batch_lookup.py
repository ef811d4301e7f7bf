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
from storagemaster.mirrors.node_queries import Answers, ask_nodes
from storagemaster.photos.photos import Photos
from storagemaster.wire import PhotoStatus
from storagenode.client import NodeClient
from volumes.cluster import Cluster, Colo, NodeId
from volumes.photo_path import Info, PhotoFile, PhotoTombstone, PhotoVersion, VersionTombstone

# Photos of a page that are asked for one by one, because they are not simply ready.
ONE_BY_ONE_MAX = 8


@dataclass(frozen=True, slots=True)
class Sought:
    """An info that is there: its digest, and the nodes that have it, nearest first."""

    digest: str
    holders: tuple[NodeId, ...]


Digests = Mapping[NodeId, Mapping[PhotoFile, str]]


class InfoPages:
    """Answers for up to `wire.PAGE_PHOTOS_MAX` photos at once."""

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

    async def page(self, versions: Sequence[PhotoVersion]) -> list[PhotoStatus]:
        """The state of each photo version, in the order asked for; none of them fails the rest."""
        asked = tuple(dict.fromkeys(versions))
        cached, answers = await asyncio.gather(self._cache.get_many(asked), self._digests(asked))
        sought = sought_infos(asked, answers.said)
        documents = {
            of: document
            for of, document in cached.items()
            if of in sought and hashlib.sha256(document).hexdigest() == sought[of].digest
        }
        missed = {of: found for of, found in sought.items() if of not in documents}
        read = await self._read(missed)
        await self._cache.put_many(read)
        documents |= read
        ready = {of: self._ready(of, document) for of, document in documents.items()}
        rest = await self._one_by_one(of for of in asked if ready.get(of) is None)
        return [ready.get(of) or rest[of] for of in versions]

    def _ready(self, of: PhotoVersion, document: bytes) -> PhotoStatus | None:
        """The status that an info means; None if it does not say all that is needed."""
        try:
            info = json.loads(document)
            return self._photos.ready(of, info, original_ext=info["original"]["ext"])
        except (ValueError, KeyError, TypeError):
            return None

    async def _digests(self, asked: Sequence[PhotoVersion]) -> Answers[Mapping[PhotoFile, str]]:
        """What each mirror says of the files that decide; those of our own colo first."""
        files: dict[NodeId, list[PhotoFile]] = defaultdict(list)
        for of in asked:
            if of.volume in self._cluster.volumes:
                for node in self._cluster.volumes[of.volume].mirrors:
                    files[node] += (
                        PhotoTombstone(of.volume, of.photo),
                        VersionTombstone(of),
                        Info(of),
                    )
        order = sorted(files, key=lambda node: self._cluster.nodes[node].colo != self._colo)
        return await ask_nodes(
            order, self._nodes, self._fleet, lambda id_, node: node.digests(files[id_])
        )

    async def _read(self, missed: Mapping[PhotoVersion, Sought]) -> dict[PhotoVersion, bytes]:
        """The documents of these infos, each from the nearest node that has it, if it answers."""
        infos: dict[NodeId, list[Info]] = defaultdict(list)
        for of, found in missed.items():
            infos[found.holders[0]].append(Info(of))
        answers = await ask_nodes(
            infos, self._nodes, self._fleet, lambda id_, node: node.infos(infos[id_])
        )
        return {info.of: data for read in answers.said.values() for info, data in read.items()}

    async def _one_by_one(self, rest: Iterable[PhotoVersion]) -> dict[PhotoVersion, PhotoStatus]:
        """What is pending, failed, gone or unknown; and why something cannot be said now."""
        turns = asyncio.Semaphore(ONE_BY_ONE_MAX)

        async def one(of: PhotoVersion) -> PhotoStatus:
            async with turns:
                try:
                    return await self._photos.status(of)
                except MasterError as error:
                    return unanswered(of, error)

        asked = list(rest)
        statuses = await asyncio.gather(*(one(of) for of in asked))
        return dict(zip(asked, statuses, strict=True))


def sought_infos(asked: Sequence[PhotoVersion], said: Digests) -> dict[PhotoVersion, Sought]:
    """The infos of photos that are ready, which is all but those a tombstone is known of."""
    found = {}
    for of in asked:
        tombstones = (PhotoTombstone(of.volume, of.photo), VersionTombstone(of))
        if any(tombstone in files for files in said.values() for tombstone in tombstones):
            continue
        holders = {node: files[Info(of)] for node, files in said.items() if files.get(Info(of))}
        if holders:
            found[of] = Sought(next(iter(holders.values())), tuple(holders))
    return found


def unanswered(of: PhotoVersion, error: MasterError) -> PhotoStatus:
    """The entry of a photo that has no status: it is gone, unknown, or not to be had now."""
    match error:
        case PhotoGone():
            state = "gone"
        case Unavailable():
            state = "unavailable"
        case _:
            state = "unknown"
    return PhotoStatus(
        volume=of.volume,
        photo=of.photo,
        version=of.version,
        state=state,
        reason=str(error),
        urls={},
    )
