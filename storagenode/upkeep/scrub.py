"""Scrub: every byte read again from the disk and compared with the digest it was written with.

It goes through all volumes within a budget of bytes a second, because reads come first.
What is corrupt is set aside, and reconcile brings a good copy; what has no digest is counted, and
left to reconcile.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from storagenode.open_file import OpenFile
from storagenode.protocol.errors import Corrupt, NodeError, NotFound
from storagenode.protocol.layout import Place
from storagenode.store import Store
from volumes.photo_path import SHARDS, PhotoFile, VolumeId, parse_name

log = logging.getLogger(__name__)

# After each step of a pass, so that those who read are never kept from a core.
PAUSE_SECONDS = 0.01
# So many shards are a step where they are empty, as most are on a young node.
SHARDS_AT_ONCE = 32


@dataclass(slots=True)
class ScrubProgress:
    """How far a pass is, and when the last one ended."""

    files: int = 0
    bytes: int = 0
    corrupt: list[str] = field(default_factory=list)
    unverified: int = 0
    volume: int = 0
    """Where the pass is now."""
    shards: int = 0
    """How many shards of how many the pass is through with."""
    shards_total: int = 0
    started_seconds: float = 0.0
    completed_seconds: float = 0.0
    """When the last whole pass ended; 0 if none has since the node's start."""


class _Found(NamedTuple):
    """What a step came by."""

    shards: int
    files: list[PhotoFile]


class Scrub:
    """Scrubs one store."""

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

    async def run_pass(self) -> ScrubProgress:
        """Go once through everything; what was found."""
        last = self.progress.completed_seconds
        volumes = self._store.volumes
        self.progress = ScrubProgress(
            shards_total=len(volumes) * len(SHARDS),
            started_seconds=self._now_seconds(),
            completed_seconds=last,
        )
        for volume in volumes:
            self.progress.volume = volume
            await self._go_through(volume)
        self.progress.completed_seconds = self._now_seconds()
        return self.progress

    def document(self) -> dict[str, Any]:
        """The progress as JSON."""
        return asdict(self.progress)

    async def _go_through(self, volume: VolumeId) -> None:
        loop = asyncio.get_running_loop()
        shards = iter(SHARDS)
        while True:
            found = await loop.run_in_executor(self._threads, self._next_files, volume, shards)
            if not found.shards:
                return
            for file in found.files:
                size = await loop.run_in_executor(self._threads, self._check, file)
                await self._sleep(max(PAUSE_SECONDS, size / self._bytes_per_second))
            if not found.files:
                await self._sleep(PAUSE_SECONDS)
            self.progress.shards += found.shards

    def _next_files(self, volume: VolumeId, shards: Iterator[str]) -> _Found:
        """The files of the next shard that has any, if it is near."""
        passed = 0
        for shard in islice(shards, SHARDS_AT_ONCE):
            passed += 1
            if listed := self._store.list_shard(volume, shard):
                return _Found(passed, [parse_name(volume, file.name) for file in listed])
        return _Found(passed, [])

    def _check(self, file: PhotoFile) -> int:
        """Compare one file with its digest; how many bytes that took."""
        place = Place(file)
        try:
            with contextlib.closing(self._store.open(place.path)) as found:
                return self._compare(place, found)
        except NotFound:
            return 0  # deleted since it was listed
        except OSError as error:
            # As bad as corrupt, but it stays where it is: a disk may recover.
            log.error("%s cannot be read: %s", place, error)  # noqa: TRY400  # errno says it all
            self.progress.corrupt.append(place.path)
            return 0

    def _compare(self, place: Place, found: OpenFile) -> int:
        self.progress.files += 1
        if found.digest is None:
            self.progress.unverified += 1
            self._store.mark_unverified(place)
            return 0
        # The disk is what is checked, and not what memory still has of it.
        found.drop_cache()
        self.progress.bytes += found.stat.bytes
        try:
            found.verify()
        except Corrupt:
            self._set_aside(place, found)
        return found.stat.bytes

    def _set_aside(self, place: Place, found: OpenFile) -> None:
        self.progress.corrupt.append(place.path)
        try:
            aside = self._store.quarantine(place, inode=found.stat.inode)
        except NodeError:
            log.exception("%s is corrupt and could not be set aside", place)
        else:
            log.error("%s is corrupt and was set aside as %s", place, aside)
