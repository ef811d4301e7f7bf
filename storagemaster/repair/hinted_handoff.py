"""Bringing home what nodes hold for others: a shortcut, because reconcile would find it all too.

Sizes go home as they were made, all of a version at once and with their info, so that those of two
workers with different libraries are not mixed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from runtime.crashpoint import crashpoint
from storagemaster.caches.purging import EdgePurger
from storagemaster.caches.variants import all_variants
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.mirrors.mirroring import pull_seconds
from storagemaster.mirrors.mirrors import Mirrors
from storagenode.protocol.errors import (
    Conflict,
    Gone,
    NodeError,
    NotFound,
    SourceUnreachable,
    StoreNotWritable,
    Unreachable,
)
from storagenode.protocol.layout import HintFile, Place
from storagenode.protocol.wire import HINTS_PER_LIST_MAX, BundledFile, Pull, render_bundle
from volumes.cluster import NodeId
from volumes.photo_path import (
    Info,
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    render_path,
)

log = logging.getLogger(__name__)

PASS_SECONDS = 1.0
PULLS_AT_ONCE = 4
# A file that fails this often is left to reconcile, and does not hold up the others.
ATTEMPTS_MAX = 5


@dataclass(frozen=True, slots=True)
class _PendingHint:
    """What one node holds for another: a file, or the sizes of a version and their info, last."""

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


def _together(files: Sequence[HintFile]) -> Iterable[tuple[HintFile, ...]]:
    """Each file of a list by itself, but the sizes of a version with their info.

    A list that is as long as one may be ends in the middle of a version, whose turn comes later.
    """
    infos = {file.place.file.photo_version for file in files if isinstance(file.place.file, Info)}
    bundles: dict[PhotoVersion, list[HintFile]] = {}
    for file in files:
        photo_version = _sizes_of(file.place.file)
        if photo_version in infos:
            bundles.setdefault(photo_version, []).append(file)
        else:
            yield (file,)
    if len(files) == HINTS_PER_LIST_MAX and (photo_version := _sizes_of(files[-1].place.file)):
        bundles.pop(photo_version, None)
    for bundle in bundles.values():
        yield tuple(sorted(bundle, key=lambda file: isinstance(file.place.file, Info)))


def _sizes_of(file: PhotoFile) -> PhotoVersion | None:
    """The version that a size, or an info, is of."""
    if isinstance(file, Info) or (isinstance(file, Variant) and not file.is_original):
        return file.photo_version
    return None


@dataclass(slots=True)
class _Closed:
    """What is not tried again in this pass."""

    mirrors: set[NodeId] = field(default_factory=set)
    """Their disks are full."""
    ways: set[tuple[NodeId, NodeId]] = field(default_factory=set)
    """The holder gives the home no answer."""

    def is_for(self, each: _PendingHint) -> bool:
        return each.mirror in self.mirrors or (each.holder, each.mirror) in self.ways


class HintedHandoff:
    """Hands owed files over to their homes, and owed purges to their edges, once those are up."""

    def __init__(
        self,
        mirrors: Mirrors,
        purging: EdgePurger,
        tombstone_delivery: TombstoneDelivery,
    ) -> None:
        self._cluster = mirrors.cluster
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet
        self._purging = purging
        self._tombstone_delivery = tombstone_delivery
        self._attempts: dict[_PendingHint, int] = {}

    async def deliver_all(self) -> int:
        """Go once through all that is held for nodes and edges that are up; how much was done.

        Tombstones go first, whoever holds them: a copy must not arrive before the word that it is
        gone.
        """
        holders = [
            node
            for node, view in self._fleet.view().items()
            if view.up and view.status is not None and view.status.hints
        ]
        held = [each for holder in holders for each in await self._held_by(holder)]
        self._attempts = {each: self._attempts[each] for each in held if each in self._attempts}
        tombstones = [each for each in held if each.is_tombstone]
        others = [each for each in held if not each.is_tombstone]
        done = await self._deliver_some(tombstones) + await self._deliver_some(others)
        for holder in holders:
            done += await self._purge_from(holder)
        return done

    async def _held_by(self, holder: NodeId) -> list[_PendingHint]:
        mirrors = [node for node in self._nodes if node != holder and self._fleet.is_up(node)]
        try:
            return [
                _PendingHint(holder, mirror, files)
                for mirror in mirrors
                for files in _together(await self._nodes[holder].list_hints(mirror))
            ]
        except NodeError as error:
            log.warning("owed work of %s was not listed: %s", holder, error)
            return []

    async def _purge_from(self, holder: NodeId) -> int:
        """Carry out the purges that one node holds; how many of them."""
        try:
            return sum([await self._purge(edge, holder) for edge in self._cluster.edges])
        except NodeError as error:
            log.warning("owed purges of %s were not carried out: %s", holder, error)
            return 0

    async def _purge(self, edge: str, holder: NodeId) -> int:
        """Carry out the purges that an edge has missed; how many of them."""
        done = 0
        for entry in await self._nodes[holder].list_hints(NodeId(edge)):
            assert isinstance(entry.place.file, VersionTombstone), "a purge is owed as a tombstone"
            paths = all_variants(entry.place.file.photo_version, self._cluster.sizes)
            if not await self._purging.purge_edge(edge, paths):
                break
            await self._nodes[holder].remove_hint(entry.place)
            done += 1
        return done

    async def _deliver_some(self, held: Sequence[_PendingHint]) -> int:
        gate = asyncio.Semaphore(PULLS_AT_ONCE)
        closed = _Closed()

        async def one(each: _PendingHint) -> int:
            async with gate:
                is_done = (
                    self._fleet.is_up(each.mirror)
                    and not closed.is_for(each)
                    and self._attempts.get(each, 0) < ATTEMPTS_MAX
                    and await self._deliver(each, closed)
                )
                return len(each.files) if is_done else 0

        return sum(await asyncio.gather(*(one(each) for each in held)))

    async def _deliver(self, each: _PendingHint, closed: _Closed) -> bool:
        try:
            if each.is_tombstone:
                await self._deliver_tombstone(each)
            elif isinstance(each.place.file, Info):
                await self._deliver_bundle(each)
            else:
                await self._deliver_file(each)
            crashpoint("hint_delivered")
            with self._asking(each.holder):
                for file in each.files:
                    await self._nodes[each.holder].remove_hint(file.place)
                    crashpoint("hint_removed")
        except NotFound:
            return False  # another storagemaster was faster
        except NodeError as error:
            # A full disk and a link that is cut say nothing of the file.
            if isinstance(error, StoreNotWritable):
                closed.mirrors.add(each.mirror)
            elif isinstance(error, SourceUnreachable):
                closed.ways.add((each.holder, each.mirror))
            elif not isinstance(error, Unreachable):
                self._attempts[each] = self._attempts.get(each, 0) + 1
            log.warning("%s was not brought home: %s", each.place, error)
            return False
        return True

    async def _deliver_tombstone(self, each: _PendingHint) -> None:
        tombstone = each.place.file
        assert isinstance(tombstone, PhotoTombstone | VersionTombstone)
        with self._asking(each.holder):
            metadata = await self._nodes[each.holder].stat(each.place)
        with self._asking(each.mirror):
            await self._tombstone_delivery.write_tombstone(
                each.mirror, tombstone, mtime_seconds=metadata.mtime_seconds
            )

    async def _deliver_bundle(self, each: _PendingHint) -> None:
        """Return when the home has these sizes, or others, which are as good, or is to have none.

        What it lacks of other ones it gets from the mirror that has them.
        """
        info, bundled = each.place.file, []
        assert isinstance(info, Info)
        with self._asking(each.holder):
            for file in each.files:
                fetched = await self._nodes[each.holder].fetch(file.place)
                path = render_path(file.place.file)
                bundled.append(BundledFile(path, file.digest, fetched.data))
        with self._asking(each.mirror), contextlib.suppress(Gone, Conflict):
            await self._nodes[each.mirror].put_bundle(
                info.photo_version,
                render_bundle(bundled),
                hint_for=None,
                mtime_seconds=fetched.metadata.mtime_seconds,
                timeout_seconds=pull_seconds(each.size_bytes),
            )

    async def _deliver_file(self, each: _PendingHint) -> None:
        """Return when the home has it, or has the word that it is gone.

        Of an original, other bytes under the same name settle nothing: this copy may be the only
        other one. Of a size, those that are at home are as good.
        """
        held = each.place
        pull = Pull(
            place=Place(held.file),
            source=self._nodes[each.holder].url,
            source_place=held,
            digest=each.files[-1].digest,
        )
        is_size = _sizes_of(held.file) is not None
        with self._asking(each.mirror), contextlib.suppress(Gone, *([Conflict] if is_size else [])):
            await self._nodes[each.mirror].pull(pull, timeout_seconds=pull_seconds(each.size_bytes))

    @contextlib.contextmanager
    def _asking(self, node: NodeId) -> Iterator[None]:
        """A node that does not answer is down, until it does."""
        try:
            yield
        except Unreachable as error:
            self._fleet.mark_down(node, str(error))
            raise
