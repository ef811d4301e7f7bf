"""Delivery of hints: a shortcut, because reconciliation finds the same missing files later.

All sizes of a version are delivered together with their info, as one worker made them, so that
sizes of two workers with different libraries never mix.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from runtime.crashpoint import crashpoint
from storagemaster.caches.purging import EdgePurger
from storagemaster.caches.variants import all_variants
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.mirrors.mirroring import pull_seconds
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.repair.plan import sized_version
from storagenode.protocol.errors import (
    Conflict,
    Gone,
    NodeError,
    NotFound,
    SourceUnreachable,
    StoreNotWritable,
    UnprovenTombstone,
    Unreachable,
)
from storagenode.protocol.layout import HintFile, Place
from storagenode.protocol.wire import HINTS_PER_LIST_MAX, BundledFile, Pull, render_bundle
from volumes.cluster import NodeId
from volumes.photo_path import (
    Info,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    parse_name,
    render_path,
    volume_of,
)
from volumes.version_files import VersionFiles

log = logging.getLogger(__name__)

PASS_SECONDS = 1.0
PULLS_AT_ONCE = 4
# A mirror without writes keeps a refused tombstone in memory, so sending it again is not urgent.
REFUSED_PAUSE_SECONDS_MIN = 2.0
REFUSED_PAUSE_SECONDS_MAX = 60.0
# A hint that fails this often is left to reconciliation, so that it does not delay other hints.
ATTEMPTS_MAX = 5


@dataclass(frozen=True, slots=True)
class _PendingHint:
    """Hint of one file, or of the sizes of a version with their info as the last file."""

    holder: NodeId
    mirror: NodeId
    files: tuple[HintFile, ...]

    @property
    def place(self) -> Place:
        return self.files[-1].place

    @property
    def size_bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def is_tombstone(self) -> bool:
        return isinstance(self.place.file, PhotoTombstone | VersionTombstone)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Refusal of a tombstone by a mirror without writes."""

    boot: str
    """The process of the mirror that keeps the tombstone in memory."""
    pause_seconds: float
    retry_at: float


def _bundle_sizes(files: Sequence[HintFile]) -> Iterable[tuple[HintFile, ...]]:
    """Group the sizes of each version with their info; every other file is a group of its own.

    A list of maximal length can end in the middle of a version. That version is left to a later
    pass.
    """
    infos = {file.place.file.photo_version for file in files if isinstance(file.place.file, Info)}
    bundles: dict[PhotoVersion, list[HintFile]] = {}
    for file in files:
        photo_version = sized_version(file.place.file)
        if photo_version in infos:
            bundles.setdefault(photo_version, []).append(file)
        else:
            yield (file,)
    if len(files) == HINTS_PER_LIST_MAX and (photo_version := sized_version(files[-1].place.file)):
        bundles.pop(photo_version, None)
    for bundle in bundles.values():
        yield tuple(sorted(bundle, key=lambda file: isinstance(file.place.file, Info)))


@dataclass(slots=True)
class _Blocked:
    """Mirrors and links that this pass does not try again."""

    mirrors: set[NodeId] = field(default_factory=set)
    """The mirrors whose store is not writable."""
    links: set[tuple[NodeId, NodeId]] = field(default_factory=set)
    """The pairs of holder and mirror between which the pull failed."""

    def has(self, hint: _PendingHint) -> bool:
        return hint.mirror in self.mirrors or (hint.holder, hint.mirror) in self.links


class HintedHandoff:
    """Delivery of hints to mirrors, and of purges to edges, once they are up."""

    def __init__(
        self,
        mirrors: Mirrors,
        purging: EdgePurger,
        tombstone_delivery: TombstoneDelivery,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mirrors = mirrors
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet
        self._purging = purging
        self._tombstone_delivery = tombstone_delivery
        self._clock = clock
        self._attempts: dict[_PendingHint, int] = {}
        self._refusals: dict[_PendingHint, _Refusal] = {}

    async def deliver_all(self) -> None:
        """Deliver all hints for nodes and edges that are up.

        Tombstones of all holders go first: a copy must not arrive before its tombstone.
        """
        holders = [
            node
            for node, view in self._fleet.view().items()
            if view.up and view.status is not None and view.status.hints
        ]
        hints = [hint for holder in holders for hint in await self._hints_on(holder)]
        self._attempts = {hint: self._attempts[hint] for hint in hints if hint in self._attempts}
        self._refusals = {hint: self._refusals[hint] for hint in hints if hint in self._refusals}
        tombstones = [hint for hint in hints if hint.is_tombstone]
        others = [hint for hint in hints if not hint.is_tombstone]
        await self._deliver_some(tombstones)
        await self._deliver_some(others)
        for holder in holders:
            await self._purge_from(holder)

    async def _hints_on(self, holder: NodeId) -> list[_PendingHint]:
        try:
            return [
                _PendingHint(holder, self._receiver(files, node, holder), files)
                for node in await self._receivers(holder)
                for files in _bundle_sizes(await self._nodes[holder].list_hints(node))
            ]
        except NodeError as error:
            log.warning("hints on %s were not listed: %s", holder, error)
            return []

    async def _receivers(self, holder: NodeId) -> list[NodeId]:
        """Return the nodes that are up, and the nodes and edges of hints that have left the map."""
        cluster, status = self._mirrors.cluster, self._fleet.view()[holder].status
        found = dict.fromkeys(filter(self._fleet.is_up, cluster.nodes))
        if status is not None and status.map_version <= cluster.map_version:
            hints = await self._nodes[holder].list_hints(None)
            receivers = (hint.place.hint_for for hint in hints)
            found |= dict.fromkeys(
                each
                for each in receivers
                if each and each not in cluster.nodes and each not in cluster.edges
            )
        return [each for each in found if each != holder]

    def _receiver(self, files: Sequence[HintFile], owed: NodeId, holder: NodeId) -> NodeId:
        """Return the node that gets a hint: a mirror if the volume has left the node it is for.

        A purge for an edge that was removed is a tombstone, which a mirror can have again.
        """
        volume = self._mirrors.cluster.volumes.get(volume_of(files[-1].place.file))
        if volume is None or owed in volume.homes:
            return owed
        others = [node for node in volume.mirrors if node != holder]
        return next(filter(self._fleet.is_up, others), others[0])

    async def _purge_from(self, holder: NodeId) -> None:
        """Send the purges that one node holds for edges."""
        try:
            for edge in self._mirrors.cluster.edges:
                await self._purge(edge, holder)
        except NodeError as error:
            log.warning("pending purges on %s were not sent: %s", holder, error)

    async def _purge(self, edge: str, holder: NodeId) -> None:
        """Send the purges that one node holds for an edge."""
        for entry in await self._nodes[holder].list_hints(NodeId(edge)):
            assert isinstance(entry.place.file, VersionTombstone), "a purge is held as a tombstone"
            paths = all_variants(entry.place.file.photo_version, self._mirrors.cluster.sizes)
            if not await self._purging.purge_late(edge, paths):
                break
            await self._nodes[holder].remove_hint(entry.place)

    async def _deliver_some(self, hints: Sequence[_PendingHint]) -> None:
        gate = asyncio.Semaphore(PULLS_AT_ONCE)
        blocked = _Blocked()

        async def one(hint: _PendingHint) -> None:
            async with gate:
                # A mirror without writes refuses deleted photos from memory.
                waits = self._is_paused(hint) if hint.is_tombstone else blocked.has(hint)
                is_given_up = self._attempts.get(hint, 0) >= ATTEMPTS_MAX
                if self._fleet.is_up(hint.mirror) and not (waits or is_given_up):
                    await self._deliver(hint, blocked)

        await asyncio.gather(*(one(hint) for hint in hints))

    async def _deliver(self, hint: _PendingHint, blocked: _Blocked) -> None:
        try:
            if hint.is_tombstone:
                await self._deliver_tombstone(hint)
            elif isinstance(hint.place.file, Info):
                await self._deliver_bundle(hint)
            else:
                await self._deliver_file(hint)
            crashpoint("hint_delivered")
            with self._marking_down(hint.holder):
                for file in hint.files:
                    await self._nodes[hint.holder].remove_hint(file.place)
                    crashpoint("hint_removed")
        except NotFound:
            pass  # another storagemaster was faster
        except Conflict as error:
            log.warning("hint %s conflicts with the file on %s: %s", hint.place, hint.mirror, error)
            await self._quarantine_if_settled(hint)
        except NodeError as error:
            # A full disk and a broken link are not faults of the file.
            if isinstance(error, StoreNotWritable):
                blocked.mirrors.add(hint.mirror)
                self._record_refusal(hint)
            elif isinstance(error, SourceUnreachable):
                blocked.links.add((hint.holder, hint.mirror))
            elif not isinstance(error, Unreachable | UnprovenTombstone):
                self._attempts[hint] = self._attempts.get(hint, 0) + 1
            log.warning("hint %s was not delivered to %s: %s", hint.place, hint.mirror, error)

    async def _quarantine_if_settled(self, hint: _PendingHint) -> None:
        """Quarantine the hint of an original if all mirrors agree on another original.

        While they do not, the hint counts as a copy in their settlement.
        """
        original = hint.place.file
        assert isinstance(original, Variant), "only originals conflict"
        volume, photo = original.photo_version.volume, original.photo_version.photo
        cold_tier = self._fleet.cold_tier_of(volume)
        mirrors = (
            cold_tier.cold_nodes if cold_tier else self._mirrors.cluster.volumes[volume].mirrors
        )
        found = set()
        try:
            for node in mirrors:
                listed = await self._nodes[node].list_photo(volume, photo)
                digests = {parse_name(volume, each.name): each.digest for each in listed}
                stored = VersionFiles(original.photo_version, digests).original
                found.add((stored, digests[stored] if stored else ""))
            if len(found) > 1 or "" in {digest for _, digest in found}:
                return
            await self._nodes[hint.holder].quarantine(hint.place, digest=hint.files[-1].digest)
        except NodeError as error:
            log.warning("hint %s was not settled: %s", hint.place, error)
        else:
            log.error("hint %s was quarantined: all mirrors have another original", hint.place)

    def _is_paused(self, hint: _PendingHint) -> bool:
        """Return True if the mirror has the tombstone in memory, and a retry is not due."""
        refusal = self._refusals.get(hint)
        return (
            refusal is not None
            and refusal.boot == self._boot_of(hint.mirror)
            and self._clock() < refusal.retry_at
        )

    def _record_refusal(self, hint: _PendingHint) -> None:
        boot, last = self._boot_of(hint.mirror), self._refusals.get(hint)
        pause_seconds = REFUSED_PAUSE_SECONDS_MIN
        if last is not None and last.boot == boot:
            pause_seconds = min(2 * last.pause_seconds, REFUSED_PAUSE_SECONDS_MAX)
        self._refusals[hint] = _Refusal(boot, pause_seconds, self._clock() + pause_seconds)

    def _boot_of(self, node: NodeId) -> str:
        status = self._fleet.view()[node].status
        return status.boot if status else ""

    async def _deliver_tombstone(self, hint: _PendingHint) -> None:
        tombstone = hint.place.file
        assert isinstance(tombstone, PhotoTombstone | VersionTombstone)
        with self._marking_down(hint.holder):
            metadata = await self._nodes[hint.holder].stat(hint.place)
        with self._marking_down(hint.mirror):
            await self._tombstone_delivery.write_tombstone(
                hint.mirror, tombstone, mtime_seconds=metadata.mtime_seconds
            )

    async def _deliver_bundle(self, hint: _PendingHint) -> None:
        """Deliver the sizes, unless the mirror has other sizes of the version or a tombstone.

        Other sizes are as good. Reconciliation completes them from the mirror that has them.
        """
        info, bundled = hint.place.file, []
        assert isinstance(info, Info)
        with self._marking_down(hint.holder):
            for file in hint.files:
                fetched = await self._nodes[hint.holder].fetch(file.place)
                path = render_path(file.place.file)
                bundled.append(BundledFile(path, file.digest, fetched.data))
        with self._marking_down(hint.mirror), contextlib.suppress(Gone, Conflict):
            await self._nodes[hint.mirror].put_bundle(
                info.photo_version,
                render_bundle(bundled),
                hint_for=None,
                mtime_seconds=fetched.metadata.mtime_seconds,
                timeout_seconds=pull_seconds(hint.size_bytes),
            )

    async def _deliver_file(self, hint: _PendingHint) -> None:
        """Deliver the file, unless the mirror has a tombstone for it.

        An original with other bytes under its name stays a conflict: this copy may be the only one.
        A size with other bytes on the mirror is as good, and counts as delivered.
        """
        file, digest = hint.place.file, hint.files[-1].digest
        pull = Pull(
            place=Place(file),
            source_node=hint.holder,
            source=self._nodes[hint.holder].url,
            source_place=hint.place,
            digest=digest,
            # A mirror that has the file gets the second of the hint, if that is earlier.
            replaces=digest,
        )
        seconds = pull_seconds(hint.size_bytes)
        is_size = sized_version(file) is not None
        with (
            self._marking_down(hint.mirror),
            contextlib.suppress(Gone, *([Conflict] if is_size else [])),
        ):
            published = await self._nodes[hint.mirror].pull(pull, timeout_seconds=seconds)
            if not (published.existed and isinstance(file, Variant) and file.is_original):
                return
            # Another attempt of the upload stored it, so the other mirrors may have a later second.
            back = replace(
                pull,
                source_node=hint.mirror,
                source=self._nodes[hint.mirror].url,
                source_place=pull.place,
            )
            for mirror in self._mirrors.cluster.volumes[file.photo_version.volume].mirrors:
                if mirror != hint.mirror:
                    await self._nodes[mirror].pull(back, timeout_seconds=seconds)

    @contextlib.contextmanager
    def _marking_down(self, node: NodeId) -> Iterator[None]:
        """Mark the node as down if the block finds it unreachable."""
        try:
            yield
        except Unreachable as error:
            self._fleet.mark_down(node, str(error))
            raise
