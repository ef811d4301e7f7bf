"""Scrub: a read of every byte on the disk, compared with the recorded digest.

A pass covers all volumes within a budget of bytes per second, because client reads have priority.
It quarantines corrupt files, and reconcile restores them. It counts files without a digest and
marks them for reconcile. A restart of the node continues the pass at the last saved shard.
"""

import asyncio
import contextlib
import json
import logging
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from storagenode.open_file import OpenFile
from storagenode.protocol.errors import Corrupt, InvalidSignature, NodeError, NotFound
from storagenode.protocol.layout import SCRUB, TOMBSTONE_BYTES, Place
from storagenode.store import Store
from volumes.json_text import parse_json
from volumes.photo_path import (
    SHARDS,
    PhotoFile,
    PhotoTombstone,
    VersionTombstone,
    VolumeId,
    parse_name,
)

log = logging.getLogger(__name__)

# A small file costs as much of the budget as this many bytes: a disk has to seek it.
FILE_BYTES_MIN = 16 * 1024
# Small files share a step of this part of the budget.
STEP_SECONDS = 0.02
# Pause after each step of a pass, so that client reads always get a core.
PAUSE_SECONDS = 0.01
# Pause while uploads arrive, which need the processor and the disk. The pass still ends.
BUSY_PAUSE_SECONDS = 0.1
BUSY_SECONDS = 1.0
# Shards that are listed together, unless fewer have this number of files. Most shards of a young
# node have few, and each step has its pause.
SHARDS_AT_ONCE = 32
FILES_AT_ONCE = 64
# A restart repeats the shards of this time.
SAVE_SECONDS = 60.0
# Paths of corrupt files in the progress of a pass. The log has all of them.
CORRUPT_MAX = 1_000


@dataclass(slots=True)
class ScrubProgress:
    """Progress of the present pass, and the end of the last one."""

    files: int = 0
    bytes: int = 0
    corrupt: list[str] = field(default_factory=list)
    unverified: int = 0
    volume: int = 0
    """The volume that the pass is reading."""
    shard: str = ""
    """The last completed shard of that volume, where a restart continues."""
    shards: int = 0
    """Number of completed shards of `shards_total`."""
    shards_total: int = 0
    started_seconds: float = 0.0
    completed_seconds: float = 0.0
    """End of the last complete pass; 0 before the first."""
    verified_since_seconds: float = 0.0
    """Start of the last complete pass: each file that is older was verified since; 0 before it."""

    @property
    def is_complete(self) -> bool:
        """True between two passes, and before the first."""
        return self.completed_seconds >= self.started_seconds


class _Found(NamedTuple):
    """The shards that were listed together, and their files."""

    shards: list[str]
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
        self.progress = _parse_progress(store.load_state(SCRUB))
        self._saved_at = now_seconds()
        self._written_at = -math.inf

    def note_write(self) -> None:
        """Record that a client writes, so that the pass pauses longer for a while."""
        self._written_at = self._now_seconds()

    def _pause_seconds(self) -> float:
        is_busy = self._now_seconds() - self._written_at < BUSY_SECONDS
        return BUSY_PAUSE_SECONDS if is_busy else PAUSE_SECONDS

    async def run_pass(self) -> ScrubProgress:
        """Run one pass over all volumes, or continue one, and return its progress."""
        volumes, last = self._store.volumes, self.progress
        if last.is_complete:
            self.progress = ScrubProgress(
                started_seconds=self._now_seconds(),
                completed_seconds=last.completed_seconds,
                verified_since_seconds=last.verified_since_seconds,
            )
        progress = self.progress
        progress.shards_total = len(volumes) * len(SHARDS)
        for number, volume in enumerate(volumes):
            if volume < progress.volume:
                continue
            if volume > progress.volume:
                progress.volume, progress.shard = volume, ""
            await self._scrub_volume(volume, number * len(SHARDS))
        progress.shards = progress.shards_total
        progress.completed_seconds = self._now_seconds()
        progress.verified_since_seconds = progress.started_seconds
        await self._save()
        return progress

    def document(self) -> dict[str, Any]:
        """Return the progress as JSON."""
        return asdict(self.progress)

    def unverified_seconds(self) -> float:
        """Return an age that no file exceeds since it was verified; 0 before the first pass.

        A file that no pass has reached yet counts from the start of the first one.
        """
        progress = self.progress
        since_seconds = progress.verified_since_seconds or progress.started_seconds
        return max(0.0, self._now_seconds() - since_seconds) if since_seconds else 0.0

    async def _scrub_volume(self, volume: VolumeId, shards_before: int) -> None:
        """Read the shards that are left of a volume, which has some shards of others before it."""
        loop, progress = asyncio.get_running_loop(), self.progress
        shards = await loop.run_in_executor(self._threads, self._store.shards, volume)
        left = iter([shard for shard in shards if shard > progress.shard])
        positions = {shard: at for at, shard in enumerate(SHARDS, shards_before + 1)}
        progress.shards = positions.get(progress.shard, shards_before)
        while True:
            found = await loop.run_in_executor(self._threads, self._next_files, volume, left)
            if not found.shards:
                return
            await self._scrub_files(found.files)
            progress.shard = found.shards[-1]
            progress.shards = positions[progress.shard]
            if abs(self._now_seconds() - self._saved_at) > SAVE_SECONDS:
                await self._save()

    async def _scrub_files(self, files: Sequence[PhotoFile]) -> None:
        """Compare files with their digests, in steps that the budget pays for."""
        loop, left = asyncio.get_running_loop(), iter(files)
        while True:
            started = self._now_seconds()
            cost = await loop.run_in_executor(self._threads, self._check_some, left)
            spent_seconds = max(0.0, self._now_seconds() - started)
            due_seconds = cost / self._bytes_per_second - spent_seconds
            if cost or not files:
                await self._sleep(max(self._pause_seconds(), due_seconds))
            if not cost:
                return

    async def _save(self) -> None:
        self._saved_at = self._now_seconds()
        text = json.dumps(self.document()).encode()
        # A crash or a disk that takes no writes costs a repetition of shards.
        with contextlib.suppress(NodeError, OSError):
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, self._store.save_state, SCRUB, text)

    def _check_some(self, files: Iterator[PhotoFile]) -> int:
        """Compare the next files with their digests; return their cost, or 0 without any."""
        cost = 0
        for file in files:
            cost += max(self._check(file), FILE_BYTES_MIN)
            if cost >= self._bytes_per_second * STEP_SECONDS:
                break
        return cost

    def _next_files(self, volume: VolumeId, shards: Iterator[str]) -> _Found:
        """Return the files of the next shards, as few as have enough for a step."""
        passed: list[str] = []
        files: list[PhotoFile] = []
        for shard in islice(shards, SHARDS_AT_ONCE):
            passed.append(shard)
            if listed := self._store.list_shard(volume, shard):
                self._store.check_summary(volume, shard, listed)
                files += [parse_name(volume, file.name) for file in listed]
            if len(files) >= FILES_AT_ONCE:
                break
        return _Found(passed, files)

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
            self._note_corrupt(place)
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
        if isinstance(place.file, PhotoTombstone | VersionTombstone):
            # Its proof is in place of the digest, and reconcile compares it.
            if found.stat.bytes != len(TOMBSTONE_BYTES):
                self._write_again(place, found)
        elif not _is_sound(found):
            self._quarantine(place, found)
        return found.stat.bytes

    def _note_corrupt(self, place: Place) -> None:
        if len(self.progress.corrupt) < CORRUPT_MAX:
            self.progress.corrupt.append(place.path)

    def _write_again(self, place: Place, tombstone: OpenFile) -> None:
        """Write a damaged tombstone again: its name and proof are all that a delete needs."""
        mtime, proof = tombstone.stat.mtime_seconds, tombstone.digest or ""
        try:
            self._store.write_tombstone(place, mtime_seconds=mtime, proof=proof)
        except InvalidSignature:
            self._quarantine(place, tombstone)
        except NodeError:
            self._note_corrupt(place)
            log.exception("scrub: %s is damaged and cannot be written again", place)
        else:
            self._note_corrupt(place)
            log.error("scrub: %s was damaged and was written again", place)

    def _quarantine(self, place: Place, found: OpenFile) -> None:
        self._note_corrupt(place)
        try:
            quarantined = self._store.quarantine(place, inode=found.stat.inode)
        except NodeError:
            log.exception("scrub: %s is corrupt and cannot be quarantined", place)
        else:
            log.error("scrub: %s is corrupt and was quarantined as %s", place, quarantined)


def _is_sound(found: OpenFile) -> bool:
    try:
        found.verify()
    except Corrupt:
        return False
    return True


def _parse_progress(text: bytes) -> ScrubProgress:
    """Return saved progress, or that before the first pass."""
    with contextlib.suppress(ValueError, TypeError):
        return ScrubProgress(**parse_json(text))
    return ScrubProgress()
