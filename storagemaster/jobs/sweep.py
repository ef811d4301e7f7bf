"""Search for originals without sizes, which enqueues the jobs that the queue has lost.

A shard is *done* if every original has an info or a failure, and every declared second pass is
there. A done shard is not listed again until its digest changes.
"""

import asyncio
import logging
from collections.abc import Iterable

from storagemaster.job_wire import RETRY_QUEUE
from storagemaster.jobs.second_pass import SecondPasses
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.settling import Settling
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import ListedFile, listing_digest
from volumes.photo_path import Variant, VolumeId, parse_name, render_path
from volumes.version_files import VersionState, versions_in

log = logging.getLogger(__name__)

PASS_SECONDS = 20.0
TOUCHED_PASS_SECONDS = 1.0


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
        self._one_at_a_time = asyncio.Lock()
        self._second_passes = SecondPasses(
            self._cluster.variant_formats, self._cluster.sizes, queue
        )
        self._done: dict[tuple[VolumeId, str], str] = {}
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
        for shard, digest in (await node.shard_digests(volume)).items():
            # A node appends a suffix to the digest of a shard that reconcile has to look into.
            if self._done.get((volume, shard)) != digest.partition("-")[0]:
                files = await node.list_shard(volume, shard)
                found = pending_originals(volume, files)
                pending |= found
                if not await self._second_passes.sweep(node, volume, shard, files) and not found:
                    # The shard can have changed since the node reported its digest.
                    self._done[volume, shard] = listing_digest(files)
        self._settling.record_sweep(self._cluster.volumes[volume], begun=begun, pending=pending)
        again = pending & self._seen_pending.get(volume, set())
        self._seen_pending[volume] = pending
        # By path, so that the order of jobs does not depend on the process.
        for original in sorted(again, key=render_path):
            self._queue.enqueue(original, queue_name=RETRY_QUEUE)
        return len(again)


def pending_originals(volume: VolumeId, files: Iterable[ListedFile]) -> set[Variant]:
    """Return the originals of a shard that have neither info nor failure nor tombstone."""
    versions = versions_in(parse_name(volume, listed.name) for listed in files)
    return {
        version.original
        for version in versions
        if version.state is VersionState.PENDING and version.original is not None
    }
