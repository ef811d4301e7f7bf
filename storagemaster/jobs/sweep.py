"""Search for originals without sizes, which enqueues the jobs that the queue has lost.

A shard is listed again only if its digest has changed, or while a size is missing: a declared
second pass, or one that every mirror has lost.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storagemaster.job_wire import RETRY_QUEUE
from storagemaster.jobs.lost_files import LostFiles
from storagemaster.jobs.second_pass import SecondPasses
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.settling import Settling
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import ListedFile, listing_digest
from volumes.photo_path import Variant, VolumeId, parse_name, render_path
from volumes.version_files import VersionState, versions_in

log = logging.getLogger(__name__)

PASS_SECONDS = 20.0
TOUCHED_PASS_SECONDS = 1.0
SHARDS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Listed:
    """The pending photos of a shard, by its last listing."""

    digest: str
    pending: frozenset[Variant]


class Sweep:
    """The search of all volumes for work that is missing in the queue."""

    def __init__(
        self,
        mirrors: Mirrors,
        queue: SizesQueue,
        settling: Settling,
    ) -> None:
        self._cluster = mirrors.cluster
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet
        self._queue = queue
        self._settling = settling
        self.lost_files = LostFiles(mirrors)
        self._one_at_a_time = asyncio.Lock()
        self._second_passes = SecondPasses(
            self._cluster.variant_formats, self._cluster.sizes, queue
        )
        self._listed: dict[tuple[VolumeId, str], _Listed] = {}
        self._seen_pending: dict[VolumeId, set[Variant]] = {}

    async def sweep_all(self) -> None:
        """Sweep every volume once."""
        await self._sweep_some(self._cluster.volumes)

    async def sweep_touched(self) -> None:
        """Sweep the volumes whose mirrors have become equal since the last fault."""
        await self._sweep_some(sorted(self._settling.unswept))

    async def _sweep_some(self, volumes: Iterable[VolumeId]) -> None:
        async with self._one_at_a_time:
            for volume in volumes:
                try:
                    await self.sweep(volume)
                except NodeError as error:
                    log.warning("volume %s was not swept: %s", volume, error)

    async def sweep(self, volume: VolumeId) -> int:
        """Enqueue the missing sizes of a volume, and return the number of photos.

        A photo is enqueued when a second sweep finds it: at the first one, its job may still be on
        the way to the queue.
        """
        mirrors = self._fleet.full_mirrors(self._cluster.volumes[volume])
        if not mirrors:
            return 0
        node = self._nodes[mirrors[0]]
        begun = self._settling.begin()
        pending: set[Variant] = set()
        changed: list[str] = []
        for shard, digest in (await node.shard_digests(volume)).items():
            listed = self._listed.get((volume, shard))
            # A node appends a suffix to the digest of a shard that reconcile has to look into.
            if listed is None or listed.digest != digest.partition("-")[0]:
                changed.append(shard)
            else:
                pending |= listed.pending
        for start in range(0, len(changed), SHARDS_AT_ONCE):
            some = changed[start : start + SHARDS_AT_ONCE]
            pending |= await self._pending_in(node, volume, some)
        self._settling.record_sweep(self._cluster.volumes[volume], begun=begun, pending=pending)
        again = pending & self._seen_pending.get(volume, set())
        self._seen_pending[volume] = pending
        # By path, so that the order of jobs does not depend on the process.
        for original in sorted(again, key=render_path):
            self._queue.enqueue(original, queue_name=RETRY_QUEUE)
        return len(again)

    async def _pending_in(
        self, node: NodeClient, volume: VolumeId, shards: Sequence[str]
    ) -> set[Variant]:
        """List some shards; return their originals without sizes."""
        pending: set[Variant] = set()
        for shard, files in (await node.list_shards(volume, shards)).items():
            found = pending_originals(volume, files)
            pending |= found
            is_open = await self._second_passes.sweep(node, volume, shard, files)
            is_open = await self.lost_files.search_originals(volume, shard, files) or is_open
            if not is_open and not found:
                is_open = await self.lost_files.search_sizes(node, volume, files)
            if is_open:
                self._listed.pop((volume, shard), None)
            else:
                # The shard can have changed since the node reported its digest.
                self._listed[volume, shard] = _Listed(listing_digest(files), frozenset(found))
        return pending


def pending_originals(volume: VolumeId, files: Iterable[ListedFile]) -> set[Variant]:
    """Return the originals of a shard that have neither info nor failure nor tombstone."""
    versions = versions_in(parse_name(volume, listed.name) for listed in files)
    return {
        version.original
        for version in versions
        if version.state is VersionState.PENDING and version.original is not None
    }
