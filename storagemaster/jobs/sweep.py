"""Search for originals without sizes, which enqueues the jobs that the queue has lost.

A shard is *done* if every original has an info or a failure, and every declared second pass is
there. A done shard is not listed again until its digest changes.
"""

import logging
from collections.abc import Iterable, Mapping

from storagemaster.job_wire import RETRY_QUEUE
from storagemaster.jobs.second_pass import SecondPasses
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.fleet import Fleet
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import ListedFile
from volumes.cluster import Cluster, NodeId
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

log = logging.getLogger(__name__)

PASS_SECONDS = 20.0


class Sweep:
    """The search of all volumes for work that is missing in the queue."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Mapping[NodeId, NodeClient],
        fleet: Fleet,
        queue: SizesQueue,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet
        self._queue = queue
        self._second_passes = SecondPasses(cluster.variant_formats, cluster.sizes, queue)
        self._done: dict[tuple[VolumeId, str], str] = {}
        self._seen_pending: dict[VolumeId, set[Variant]] = {}

    async def sweep_all(self) -> None:
        """Sweep every volume once."""
        for volume in self._cluster.volumes:
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
        pending: set[Variant] = set()
        for shard, digest in (await node.shard_digests(volume)).items():
            if self._done.get((volume, shard)) != digest:
                files = await node.list_shard(volume, shard)
                found = pending_originals(volume, files)
                pending |= found
                if not await self._second_passes.sweep(node, volume, shard, files) and not found:
                    self._done[volume, shard] = digest
        again = pending & self._seen_pending.get(volume, set())
        self._seen_pending[volume] = pending
        for original in again:
            self._queue.enqueue(original, queue_name=RETRY_QUEUE)
        return len(again)


def pending_originals(volume: VolumeId, files: Iterable[ListedFile]) -> set[Variant]:
    """Return the originals of a shard that have neither info nor failure nor tombstone."""
    originals: set[Variant] = set()
    settled: set[PhotoVersion] = set()
    gone: set[str] = set()
    for listed in files:
        match parse_name(volume, listed.name):
            case Variant() as variant if variant.is_original:
                originals.add(variant)
            case Info(photo_version) | Failure(photo_version) | VersionTombstone(photo_version):
                settled.add(photo_version)
            case PhotoTombstone(_, photo):
                gone.add(photo)
            case _:
                pass
    return {
        o for o in originals if o.photo_version not in settled and o.photo_version.photo not in gone
    }
