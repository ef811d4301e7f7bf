"""Making sizes again, because they failed, or because another recipe makes better ones.

A photo that has no sizes is asked for again. One that has is never changed, because files are
written once: it gets a new version with the same original and the sizes of the new recipe, and the
old version stays until the application deletes it.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from storagemaster.errors import PhotoGone, Unavailable, UnknownVolume
from storagemaster.job_wire import REGENERATE_QUEUE, JobKind
from storagemaster.jobs.sizes_queue import QueueUnavailable, SizesQueue
from storagemaster.lifecycle.revokes import VERSION_BITS
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.mirroring import Mirroring
from storagemaster.mirrors.photo_files import PhotoFiles, PhotoReader
from storagemaster.mirrors.placement import NoPlacement, Target, place_in_volume
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import ListedFile
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import Pull
from volumes.cluster import Cluster, NodeId
from volumes.photo_id import VERSION_LENGTH, Version, encode_base32
from volumes.photo_path import (
    Failure,
    Info,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    VolumeId,
    parse_name,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPhoto:
    """A photo version of a shard, and how far it is."""

    original: Variant
    state: str
    """`pending`, `failed` or `ready`."""


class Regeneration:
    """The rebuilding of one storagemaster: it finds, and does what it is told, photo by photo."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Mapping[NodeId, NodeClient],
        fleet: Fleet,
        reads: PhotoReader,
        mirroring: Mirroring,
        queue: SizesQueue,
        *,
        key_secret: bytes,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet
        self._reads = reads
        self._mirroring = mirroring
        self._queue = queue
        self._key_secret = key_secret

    async def shards(self, volume: VolumeId) -> list[str]:
        """The shards of a volume that have files.

        Raises:
            UnknownVolume, Unavailable: As their names say.
        """
        with _unavailable_if_it_fails():
            return sorted(await self._mirror(volume).shard_digests(volume))

    async def find(self, volume: VolumeId, shard: str, *, recipe: str | None) -> list[PhotoVersion]:
        """The photos of a shard without sizes; with a recipe, those that another one made.

        Raises:
            UnknownVolume, Unavailable: As their names say.
        """
        with _unavailable_if_it_fails():
            found = photos_of(volume, await self._mirror(volume).list_shard(volume, shard))
        if recipe is None:
            return [each.original.photo_version for each in found if each.state != "ready"]
        ready = [each.original.photo_version for each in found if each.state == "ready"]
        return [
            photo_version
            for photo_version in ready
            if await self._recipe_of(photo_version) != recipe
        ]

    async def regenerate(self, photo_version: PhotoVersion, *, recipe: str | None) -> PhotoVersion:
        """Have the sizes of a photo made again; the version that will have them.

        With a recipe this is a new version, the same one for every call; else the photo's own,
        unless that has its sizes already.

        Raises:
            UnknownVolume, UnknownPhoto, PhotoGone: As their names say.
            Unavailable: There are not two nodes to hold the new version.
        """
        files = await self._reads.files_of(photo_version.volume, photo_version.photo)
        if PhotoTombstone(photo_version.volume, photo_version.photo) in files.holders:
            raise PhotoGone(f"photo {photo_version.photo} was deleted")
        if VersionTombstone(photo_version) in files.holders:
            raise PhotoGone(f"version {photo_version} was deleted")
        original = _original_of(photo_version, files)
        if original is None:
            files.refuse(f"photo {photo_version}")
        if recipe is None:
            if Info(photo_version) not in files.holders:
                await self._ask(original)
            return photo_version
        new = replace(
            photo_version,
            version=version_for_recipe(photo_version, recipe, secret=self._key_secret),
        )
        await self._link(original, replace(original, photo_version=new))
        self._queue.enqueue(replace(original, photo_version=new), queue_name=REGENERATE_QUEUE)
        return new

    async def _ask(self, original: Variant) -> None:
        """Ask at once: the sweep does not look at photos that have failed."""
        try:
            await self._queue.enqueue_now(original, queue_name=REGENERATE_QUEUE, kind=JobKind.AGAIN)
        except QueueUnavailable as error:
            raise Unavailable(f"the queue is away: {error}; try again") from error

    async def _link(self, original: Variant, new: Variant) -> None:
        """Return when two nodes have the original under its new version."""
        volume = self._cluster.volumes[original.photo_version.volume]
        placed = place_in_volume(self._cluster, self._fleet.view(), volume, strict=False)
        if isinstance(placed, NoPlacement):
            raise Unavailable(f"{placed.reason}; nothing was rebuilt, try again")
        linked: asyncio.Future[NodeId] = asyncio.get_running_loop().create_future()

        async def make(target: Target) -> None:
            node = self._nodes[target.node]
            if target.hint_for is None:
                await node.relink(
                    original.photo_version, new.photo_version.version, original_only=True
                )
                if not linked.done():
                    linked.set_result(target.node)
                return
            source = self._nodes[await linked]
            metadata = await source.stat(Place(new))
            place = Place(new, target.hint_for)
            await node.pull(
                Pull(
                    place=place, source=source.url, source_place=Place(new), digest=metadata.digest
                )
            )

        await self._mirroring.write_all(placed, make)

    async def _recipe_of(self, photo_version: PhotoVersion) -> str:
        files = await self._reads.files_of(photo_version.volume, photo_version.photo)
        if Info(photo_version) not in files.holders:
            return ""
        info = json.loads(await self._reads.fetch(Info(photo_version), files))
        return str(info.get("recipe", ""))

    def _mirror(self, volume: VolumeId) -> NodeClient:
        if volume not in self._cluster.volumes:
            raise UnknownVolume(f"volume {volume} is not in the cluster's config")
        mirrors = self._fleet.full_mirrors(self._cluster.volumes[volume])
        if not mirrors:
            raise Unavailable(f"no mirror of volume {volume} is up; try again")
        return self._nodes[mirrors[0]]


@contextlib.contextmanager
def _unavailable_if_it_fails() -> Iterator[None]:
    try:
        yield
    except NodeError as error:
        raise Unavailable(f"{error}; try again") from error


def photos_of(volume: VolumeId, files: Iterable[ListedFile]) -> list[FoundPhoto]:
    """The photo versions that a shard's files are of, without those that are gone."""
    found = {parse_name(volume, listed.name) for listed in files}
    photos = []
    for file in found:
        if not (isinstance(file, Variant) and file.is_original):
            continue
        photo_version = file.photo_version
        if (
            VersionTombstone(photo_version) in found
            or PhotoTombstone(volume, photo_version.photo) in found
        ):
            continue
        state = (
            "ready"
            if Info(photo_version) in found
            else "failed"
            if Failure(photo_version) in found
            else "pending"
        )
        photos.append(FoundPhoto(original=file, state=state))
    return sorted(photos, key=lambda each: str(each.original.photo_version))


def version_for_recipe(photo_version: PhotoVersion, recipe: str, *, secret: bytes) -> Version:
    """The version that a recipe makes of one: always the same, so that doing it again is harmless.

    Keyed with the cluster's secret, as versions cannot be guessed.
    """
    digest = hmac.digest(secret, f"rebuild {photo_version} {recipe}".encode(), hashlib.sha256)
    number = int.from_bytes(digest, "big") & ((1 << VERSION_BITS) - 1)
    return Version(encode_base32(number, VERSION_LENGTH))


def _original_of(photo_version: PhotoVersion, files: PhotoFiles) -> Variant | None:
    for file in files.holders:
        if isinstance(file, Variant) and file.photo_version == photo_version and file.is_original:
            return file
    return None
