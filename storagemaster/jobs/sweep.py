"""Search for originals without sizes, which enqueues the jobs that the queue has lost.

Nodes know from the summaries of their shards which originals have no sizes, so nothing that is done
is listed, also by a storagemaster that has just started. A volume whose digest has not changed is
one small answer. Only doubtful shards are listed here: a photo may lack its second pass, or a file
that every mirror has lost.
"""

import asyncio
import bisect
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from storagemaster.job_wire import RETRY_QUEUE
from storagemaster.jobs.lost_files import LostFiles
from storagemaster.jobs.second_pass import SecondPasses
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.settling import Settling
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import ListedFile, UnfinishedPhotos, listing_digest
from volumes.cluster import NodeId
from volumes.photo_path import Variant, VolumeId, parse_name, render_path
from volumes.photo_shapes import photos_in

log = logging.getLogger(__name__)

PASS_SECONDS = 20.0
TOUCHED_PASS_SECONDS = 1.0
VOLUMES_AT_ONCE = 100
SHARDS_AT_ONCE = 64
# Workers need far longer for these photos than until the next pass, which continues after them.
ENQUEUED_PER_PASS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class _Swept:
    """The photos of a volume without sizes, by the last answer of a node."""

    digest: str
    pending: frozenset[Variant]
    doubtful: Mapping[str, str]


class Sweep:
    """The search of all volumes for work that is missing in the queue."""

    def __init__(
        self,
        mirrors: Mirrors,
        queue: SizesQueue,
        settling: Settling,
    ) -> None:
        self._mirrors = mirrors
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet
        self._queue = queue
        self._settling = settling
        self.lost_files = LostFiles(mirrors)
        self._one_at_a_time = asyncio.Lock()
        self._second_passes = SecondPasses(
            self._mirrors.cluster.variant_formats, self._mirrors.cluster.sizes, queue
        )
        self._swept: dict[VolumeId, _Swept] = {}
        self._searched: dict[VolumeId, dict[str, str]] = {}
        """The digests of the doubtful shards as they were listed, empty while work is left."""
        self._seen_pending: dict[VolumeId, frozenset[Variant]] = {}
        self._last_enqueued = ""

    async def sweep_all(self) -> None:
        """Sweep every volume once."""
        await self.sweep(self._mirrors.cluster.volumes)

    async def sweep_touched(self) -> None:
        """Sweep the volumes whose mirrors have become equal since the last fault."""
        await self.sweep(sorted(self._settling.unswept))

    async def sweep(self, volumes: Iterable[VolumeId]) -> int:
        """Enqueue the missing sizes of volumes, and return the number of photos.

        A photo is enqueued when a second sweep finds it: at the first one, its job may still be on
        the way to the queue.
        """
        async with self._one_at_a_time:
            again: set[Variant] = set()
            for node, numbers in self._by_mirror(volumes).items():
                for start in range(0, len(numbers), VOLUMES_AT_ONCE):
                    some = numbers[start : start + VOLUMES_AT_ONCE]
                    try:
                        again |= await self._sweep_some(self._nodes[node], some)
                    except NodeError as error:
                        log.warning("%s volumes on %s were not swept: %s", len(some), node, error)
            return self._enqueue(again)

    def _by_mirror(self, volumes: Iterable[VolumeId]) -> dict[NodeId, list[VolumeId]]:
        """Return a mirror that stores all files of each volume, with its volumes."""
        found: dict[NodeId, list[VolumeId]] = {}
        for number in volumes:
            if mirrors := self._fleet.full_mirrors(self._mirrors.cluster.volumes[number]):
                found.setdefault(mirrors[(number - 1) % len(mirrors)], []).append(number)
        return found

    async def _sweep_some(self, node: NodeClient, volumes: Sequence[VolumeId]) -> set[Variant]:
        """Sweep volumes on one node; return the photos that also their last sweep has found."""
        begun = self._settling.begin()
        known = {each: self._swept[each].digest if each in self._swept else "" for each in volumes}
        again: set[Variant] = set()
        changed = await node.unfinished(known, self._second_passes.rule)
        for volume, unfinished in changed.items():
            if unfinished is not None:
                self._swept[volume] = _swept(volume, unfinished)
            swept = self._swept.get(volume, _Swept("", frozenset(), {}))
            await self._search(node, volume, swept.doubtful)
            self._settling.record_sweep(
                self._mirrors.cluster.volumes[volume], begun=begun, pending=swept.pending
            )
            if self._mirrors.owns(volume):
                again |= swept.pending & self._seen_pending.get(volume, frozenset())
            self._seen_pending[volume] = swept.pending
        return again

    async def _search(
        self, node: NodeClient, volume: VolumeId, doubtful: Mapping[str, str]
    ) -> None:
        """List the doubtful shards that changed or have work left, and former doubtful ones."""
        searched = self._searched.setdefault(volume, {})
        changed = [
            shard
            for shard, digest in doubtful.items()
            # A node appends a suffix to the digest of a shard that reconcile has to look into.
            if searched.get(shard) != digest.partition("-")[0]
        ]
        changed += [shard for shard in searched if shard not in doubtful]
        for start in range(0, len(changed), SHARDS_AT_ONCE):
            some = changed[start : start + SHARDS_AT_ONCE]
            for shard, files in (await node.list_shards(volume, some)).items():
                is_open = await self._search_shard(node, volume, shard, files)
                if shard in doubtful:
                    # The shard can have changed since the node reported its digest.
                    searched[shard] = "" if is_open else listing_digest(files)
                else:
                    del searched[shard]

    async def _search_shard(
        self, node: NodeClient, volume: VolumeId, shard: str, files: Sequence[ListedFile]
    ) -> bool:
        """Search one shard for missing files; return True if another search has to follow."""
        is_open = await self._second_passes.sweep(node, volume, shard, files)
        is_open = await self.lost_files.search_originals(volume, shard, files) or is_open
        if not is_open and not photos_in(parse_name(volume, each.name) for each in files).pending:
            is_open = await self.lost_files.search_sizes(node, volume, files)
        return is_open

    def _enqueue(self, again: Iterable[Variant]) -> int:
        """Enqueue photos by path, continuing after the last pass; return their number.

        The order of jobs does not depend on the process.
        """
        by_path = {render_path(original): original for original in again}
        paths = sorted(by_path)
        if len(paths) > ENQUEUED_PER_PASS_MAX:
            first = bisect.bisect_right(paths, self._last_enqueued)
            paths = (paths[first:] + paths[:first])[:ENQUEUED_PER_PASS_MAX]
        for path in paths:
            self._queue.enqueue(by_path[path], queue_name=RETRY_QUEUE)
            self._last_enqueued = path
        return len(paths)


def _swept(volume: VolumeId, found: UnfinishedPhotos) -> _Swept:
    originals = (parse_name(volume, name) for name in found.pending)
    pending = frozenset(each for each in originals if isinstance(each, Variant))
    return _Swept(found.digest, pending, found.doubtful)
