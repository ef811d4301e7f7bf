"""Scrub: a read of every byte on the disk, compared with the recorded digest.

A pass covers all volumes within a budget of bytes per second, because client reads have priority.
It quarantines corrupt files, and reconcile restores them. It counts files without a digest and
marks them for reconcile.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from storagenode.open_file import OpenFile
from storagenode.protocol.errors import Corrupt, NodeError, NotFound
from storagenode.protocol.layout import TOMBSTONE_BYTES, Place
from storagenode.store import Store
from volumes.photo_path import (
    SHARDS,
    PhotoFile,
    PhotoTombstone,
    VersionTombstone,
    VolumeId,
    parse_name,
)

log = logging.getLogger(__name__)

# Pause after each step of a pass, so that client reads always get a core.
PAUSE_SECONDS = 0.01
# Pause while uploads arrive, which need the processor and the disk. The pass still ends.
BUSY_PAUSE_SECONDS = 0.1
BUSY_SECONDS = 1.0
# Maximum number of empty shards in one step. Most shards of a young node are empty.
SHARDS_AT_ONCE = 32


@dataclass(slots=True)
class ScrubProgress:
    """Progress of the present pass, and the end of the last one."""

    files: int = 0
    bytes: int = 0
    corrupt: list[str] = field(default_factory=list)
    unverified: int = 0
    volume: int = 0
    """The volume that the pass is reading."""
    shards: int = 0
    """Number of completed shards of `shards_total`."""
    shards_total: int = 0
    started_seconds: float = 0.0
    completed_seconds: float = 0.0
    """End of the last complete pass; 0 before the first since the node's start."""


class _Found(NamedTuple):
    """The result of one step: the number of passed shards, and the files of the last."""

    shards: int
    files: list[PhotoFile]


class Scrub:
    """Scrub of one store."""

    def __init__(
        self,
        store: Store,
        threads: Executor,
        *,
        bytes_per_second: int,
        now_seconds: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._threads = threads
        self._bytes_per_second = bytes_per_second
        self._now_seconds = now_seconds
        self._sleep = sleep
        self.progress = ScrubProgress()
        self._written_at = -math.inf

    def note_write(self) -> None:
        """Record that a client writes, so that the pass pauses longer for a while."""
        self._written_at = self._now_seconds()

    def _pause_seconds(self) -> float:
        is_busy = self._now_seconds() - self._written_at < BUSY_SECONDS
        return BUSY_PAUSE_SECONDS if is_busy else PAUSE_SECONDS

    async def run_pass(self) -> ScrubProgress:
        """Run one pass over all volumes and return its progress."""
        last = self.progress.completed_seconds
        volumes = self._store.volumes
        self.progress = ScrubProgress(
            shards_total=len(volumes) * len(SHARDS),
            started_seconds=self._now_seconds(),
            completed_seconds=last,
        )
        for volume in volumes:
            self.progress.volume = volume
            await self._scrub_volume(volume)
        self.progress.completed_seconds = self._now_seconds()
        return self.progress

    def document(self) -> dict[str, Any]:
        """Return the progress as JSON."""
        return asdict(self.progress)

    async def _scrub_volume(self, volume: VolumeId) -> None:
        loop = asyncio.get_running_loop()
        shards = iter(SHARDS)
        while True:
            found = await loop.run_in_executor(self._threads, self._next_files, volume, shards)
            if not found.shards:
                return
            for file in found.files:
                size = await loop.run_in_executor(self._threads, self._check, file)
                await self._sleep(max(self._pause_seconds(), size / self._bytes_per_second))
            if not found.files:
                await self._sleep(self._pause_seconds())
            self.progress.shards += found.shards

    def _next_files(self, volume: VolumeId, shards: Iterator[str]) -> _Found:
        """Return the files of the next non-empty shard within `SHARDS_AT_ONCE` shards."""
        passed = 0
        for shard in islice(shards, SHARDS_AT_ONCE):
            passed += 1
            if listed := self._store.list_shard(volume, shard):
                self._store.check_summary(volume, shard, listed)
                return _Found(passed, [parse_name(volume, file.name) for file in listed])
        return _Found(passed, [])

    def _check(self, file: PhotoFile) -> int:
        """Compare one file with its digest; return the number of bytes read."""
        place = Place(file)
        try:
            with contextlib.closing(self._store.open(place.path)) as found:
                return self._compare(place, found)
        except NotFound:
            return 0  # deleted since it was listed
        except OSError as error:
            # It counts as corrupt, but is not quarantined, because a disk can recover.
            log.error("scrub: cannot read %s: %s", place, error)  # noqa: TRY400  # errno is enough
            self.progress.corrupt.append(place.path)
            return 0

    def _compare(self, place: Place, found: OpenFile) -> int:
        self.progress.files += 1
        if found.digest is None:
            self.progress.unverified += 1
            self._store.mark_unverified(place)
            return 0
        # The check must read from the disk, not from the page cache.
        found.drop_cache()
        self.progress.bytes += found.stat.bytes
        if not _is_sound(place, found):
            self._quarantine(place, found)
        return found.stat.bytes

    def _quarantine(self, place: Place, found: OpenFile) -> None:
        self.progress.corrupt.append(place.path)
        try:
            quarantined = self._store.quarantine(place, inode=found.stat.inode)
        except NodeError:
            log.exception("scrub: %s is corrupt and cannot be quarantined", place)
        else:
            log.error("scrub: %s is corrupt and was quarantined as %s", place, quarantined)


def _is_sound(place: Place, found: OpenFile) -> bool:
    if isinstance(place.file, PhotoTombstone | VersionTombstone):
        # Its proof is in place of the digest, and reconcile compares it.
        return found.stat.bytes == len(TOMBSTONE_BYTES)
    try:
        found.verify()
    except Corrupt:
        return False
    return True
