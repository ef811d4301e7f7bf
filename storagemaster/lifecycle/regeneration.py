"""Regeneration of sizes that failed, or that a newer recipe makes better.

A photo without sizes gets a new job. A photo with sizes never changes, because files are written
once: it gets a new version with the same original, whose sizes the new recipe makes. The old
version stays until the application deletes it.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from storagemaster.errors import Unavailable
from storagemaster.job_wire import REGENERATE_QUEUE, JobKind
from storagemaster.jobs.sizes_queue import QueueUnavailable, SizesQueue
from storagemaster.lifecycle.relinking import Relinking
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.photo_files import PhotoReader
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from volumes.json_text import parse_json
from volumes.photo_id import Version, derive_version
from volumes.photo_path import Info, PhotoVersion, Variant, VolumeId, parse_name
from volumes.version_files import VersionState, live_versions


class Regeneration:
    """Search for photos whose sizes can be regenerated, and their regeneration one by one."""

    def __init__(
        self,
        mirrors: Mirrors,
        reads: PhotoReader,
        relinking: Relinking,
        queue: SizesQueue,
        *,
        key_secret: bytes,
    ) -> None:
        self._mirrors = mirrors
        self._reads = reads
        self._relinking = relinking
        self._queue = queue
        self._key_secret = key_secret

    async def shards(self, volume: VolumeId) -> list[str]:
        """Return the shards of a volume that have files.

        Raises:
            UnknownVolume: The config has no such volume.
            Unavailable: No mirror that has the whole volume responded.
        """
        with _node_errors_as_unavailable():
            return sorted(await self._full_mirror(volume).shard_digests(volume))

    async def find(self, volume: VolumeId, shard: str, *, recipe: str | None) -> list[PhotoVersion]:
        """Return the photos of a shard without sizes, or those not made by `recipe` if given.

        Raises:
            UnknownVolume: The config has no such volume.
            Unavailable: No mirror that has the whole volume responded.
        """
        with _node_errors_as_unavailable():
            listed = await self._full_mirror(volume).list_shard(volume, shard)
        found = live_versions(parse_name(volume, file.name) for file in listed)
        ready = [v.photo_version for v in found if v.state is VersionState.READY]
        if recipe is None:
            return [v.photo_version for v in found if v.state is not VersionState.READY]
        return [
            photo_version
            for photo_version in ready
            if await self._recipe_of(photo_version) != recipe
        ]

    async def regenerate(self, photo_version: PhotoVersion, *, recipe: str | None) -> PhotoVersion:
        """Enqueue a job for the sizes of a photo, and return the version that gets them.

        With a recipe this is a new version, the same for every call. Without one it is the given
        version, which gets a job only if it has no sizes.

        Raises:
            UnknownVolume: The config has no such volume.
            UnknownPhoto: No mirror has the original, and all mirrors responded.
            PhotoGone: The photo or the version was deleted.
            Unavailable: The queue is down, or fewer than two nodes can store the new version.
        """
        files = await self._reads.files_of(photo_version.volume, photo_version.photo)
        original = files.original_of(photo_version)
        if recipe is None:
            if files.version(photo_version).state is not VersionState.READY:
                await self._enqueue(original)
            return photo_version
        new = replace(
            photo_version,
            version=version_for_recipe(photo_version, recipe, secret=self._key_secret),
        )
        await self._relinking.relink(
            photo_version, new, files, original_only=True, outcome="nothing was regenerated"
        )
        self._queue.enqueue(replace(original, photo_version=new), queue_name=REGENERATE_QUEUE)
        return new

    async def _enqueue(self, original: Variant) -> None:
        """Enqueue a job synchronously: the sweep skips photos that have failed."""
        try:
            await self._queue.enqueue_now(original, queue_name=REGENERATE_QUEUE, kind=JobKind.AGAIN)
        except QueueUnavailable as error:
            raise Unavailable(f"the queue is unavailable: {error}; try again") from error

    async def _recipe_of(self, photo_version: PhotoVersion) -> str:
        files = await self._reads.files_of(photo_version.volume, photo_version.photo)
        if Info(photo_version) not in files.holders:
            return ""
        info = parse_json(await self._reads.fetch(Info(photo_version), files))
        return str(info.get("recipe", ""))

    def _full_mirror(self, number: VolumeId) -> NodeClient:
        mirrors = self._mirrors.fleet.full_mirrors(self._mirrors.volume(number))
        if not mirrors:
            raise Unavailable(f"no mirror of volume {number} is up; try again")
        return self._mirrors.nodes[mirrors[0]]


@contextlib.contextmanager
def _node_errors_as_unavailable() -> Iterator[None]:
    try:
        yield
    except NodeError as error:
        raise Unavailable(f"{error}; try again") from error


def version_for_recipe(photo_version: PhotoVersion, recipe: str, *, secret: bytes) -> Version:
    """Return the version that a recipe makes of one: always the same, so a retry is harmless."""
    return derive_version(f"regenerate {photo_version} {recipe}", secret=secret)
