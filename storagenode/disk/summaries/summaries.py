"""Summaries of all shards of a disk: computed once, kept in memory, and saved beside the shards.

Two mirrors are compared by their summaries, so a summary must never hide a change. It is computed
between two looks at the stamp of its directory, which every change replaces. Before it is saved,
the directory is fsynced, so that the stamp cannot outlive a name that a power failure takes back. A
name and the mtime of its directory reach a disk together, or both do not. The scrub compares each
summary with the files again.

While this process changes nothing, answers about whole volumes are kept in memory, and so is the
proof of each summary for them. What it cannot notice, a change by another program, it finds by
looking at all shards again, in turns.
"""

import contextlib
import errno
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import opened
from storagenode.disk.staging import staged
from storagenode.disk.summaries.shard_summary import (
    ShardSummary,
    Stamp,
    new_mtime_nanoseconds,
    parse_summaries,
    render_summaries,
    stamp_of,
    summarize,
)
from storagenode.disk.summaries.volume_memory import VolumeMemory
from storagenode.disk.walking import shards_in
from storagenode.protocol.errors import Corrupt, NotFound, StillListing
from storagenode.protocol.files import (
    ListedFile,
    UnfinishedPhotos,
    VolumeSummary,
    volume_digest,
)
from storagenode.protocol.layout import summaries_path
from volumes.cold_tier import SizeFilter
from volumes.photo_path import VolumeId
from volumes.photo_shapes import ShapeRule

log = logging.getLogger(__name__)

# Files that one request lists: a second or so of a cold disk. The next request continues.
FILES_PER_REQUEST_MAX = 5_000
# Shards that one call looks at again: a millisecond. Full disks take their turn in minutes.
LOOKS_AT_ONCE = 256

ListShard = Callable[[VolumeId, str], tuple[ListedFile, ...]]


class Summaries:
    """The summaries of the shards of a disk. All calls are thread-safe."""

    def __init__(self, file_system: FileSystem, list_shard: ListShard) -> None:
        self._file_system = file_system
        self._list_shard = list_shard
        self._known: dict[VolumeId, dict[str, ShardSummary]] = {}
        self._marks: dict[VolumeId, dict[str, object]] = {}
        """The mark of each shard when its known summary was last compared with its directory."""
        self._memory = VolumeMemory(file_system)
        self._turn: Iterator[tuple[VolumeId, str]] = iter(())
        self._looking_again = threading.Lock()
        self._unsaved: dict[VolumeId, set[str]] = {}
        self._own_suffix = f"-{secrets.token_hex(4)}"
        self._lock = threading.RLock()
        self._is_read_only = False
        self._is_forgetful = False

    def digests(self, volume: VolumeId, sizes: SizeFilter | None = None) -> dict[str, str]:
        """Return the digest of every shard that has files matching the size filter.

        A shard that reconcile has to look into gets a suffix that no other mirror has.

        Raises:
            StillListing: More shards are left to list than one request may.
        """
        return self._compared(self._all(volume, sizes, looks=True), sizes)

    def volume_summary(self, volume: VolumeId) -> VolumeSummary:
        """Return the summary of all shards of a volume; raise as `digests`."""

        def look() -> tuple[VolumeSummary, bool]:
            found = self._all(volume, None, looks=False)
            summary = VolumeSummary(
                volume_digest(self._compared(found, None)),
                photos=sum(each.photos for _, each in found),
                bytes=sum(each.bytes for _, each in found),
            )
            return summary, not self._is_forgetful

        return self._memory.answer(volume, "summary", look)

    def unfinished(self, volume: VolumeId, rule: ShapeRule) -> UnfinishedPhotos:
        """Return the photos of a volume that lack sizes; raise as `digests`."""

        def look() -> tuple[UnfinishedPhotos, bool]:
            found = self._all(volume, None, looks=False)
            digests = self._compared(found, None)
            unfinished = UnfinishedPhotos(
                volume_digest(digests),
                pending=tuple(name for _, each in found for name in each.pending),
                doubtful={
                    shard: digests[shard]
                    for shard, each in found
                    if any(map(rule.is_doubtful, each.shapes))
                },
            )
            return unfinished, not self._is_forgetful

        return self._memory.answer(volume, rule, look)

    def look_again(self) -> None:
        """Look at the next shards with files, in turns; forget answers that are no longer true."""
        if not self._looking_again.acquire(blocking=False):
            return  # another thread looks
        try:
            some = list(islice(self._turn, LOOKS_AT_ONCE))
            if len(some) < LOOKS_AT_ONCE:
                self._turn = self._shards_with_files()
            for volume, shard in some:
                known = self._volume(volume).get(shard)
                try:
                    is_same = known is None or self._look(f"{volume}/{shard}") == known.stamp
                except OSError:
                    is_same = False
                if not is_same:
                    self._memory.forget(volume, shard)
        finally:
            self._looking_again.release()

    def _shards_with_files(self) -> Iterator[tuple[VolumeId, str]]:
        for volume in self._memory.volumes():
            for shard, known in list(self._volume(volume).items()):
                if known.files:
                    yield volume, shard

    def _compared(
        self, found: Iterable[tuple[str, ShardSummary]], sizes: SizeFilter | None
    ) -> dict[str, str]:
        return {
            shard: each.digests[sizes] + ("" if each.is_sound else self._own_suffix)
            for shard, each in found
            if each.digests[sizes]
        }

    def tombstone_digests(self, volume: VolumeId) -> dict[str, str]:
        """Return the digest of the names of the tombstones of every shard; raise as `digests`."""
        return {
            shard: each.tombstones
            for shard, each in self._all(volume, None, looks=True)
            if each.tombstones
        }

    def forget(self, volume: VolumeId, shard: str) -> None:
        """Make the summary of a shard invalid, because the recorded digest of a file has changed.

        A new stamp also invalidates a summary that is being computed, and the saved one.

        Raises:
            OSError: The disk did not take the stamp.
        """
        self._forget(volume, shard)
        with contextlib.suppress(FileNotFoundError):
            self._file_system.stamp_directory(f"{volume}/{shard}", new_mtime_nanoseconds())

    def check(self, volume: VolumeId, shard: str, files: tuple[ListedFile, ...]) -> bool:
        """Compare a summary with the listed files; forget it and return False if it differs."""
        known = self._volume(volume).get(shard)
        if known is None or self._look(f"{volume}/{shard}") != known.stamp:
            self._memory.forget(volume, shard)
            return True
        for sizes, digest in known.digests.items():
            if summarize(volume, known.stamp, files, sizes).digests[sizes] != digest:
                # The file system lost or restored a name without a change of its directory.
                log.error("the summary of %s/%s was wrong and is computed again", volume, shard)
                with contextlib.suppress(OSError):
                    self.forget(volume, shard)
                return False
        return True

    def unsaved(self) -> tuple[VolumeId, ...]:
        """Return the volumes whose summaries changed since they were saved."""
        return tuple(self._unsaved)

    def save(self, volume: VolumeId, *, mtime_seconds: int) -> None:
        """Save the summaries of a volume; return when they are durable.

        Raises:
            OSError: The disk failed.
        """
        with self._lock:
            changed = self._unsaved.pop(volume, set())
            summaries = dict(self._volume(volume))
        try:
            self._sync(volume, changed & summaries.keys())
            with staged(self._file_system) as file:
                file.write(render_summaries(summaries))
                file.seal(mtime_seconds=mtime_seconds, digest=file.digest)
                file.rename(summaries_path(volume))
            self._file_system.fsync_directory(str(volume))
        except BaseException as error:
            if isinstance(error, FileNotFoundError) and not self._file_system.exists(str(volume)):
                return  # the volume has left this disk
            with self._lock:
                self._unsaved.setdefault(volume, set()).update(changed)
            raise

    def _sync(self, volume: VolumeId, shards: Iterable[str]) -> None:
        for shard in sorted(shards):
            with contextlib.suppress(FileNotFoundError):
                self._file_system.fsync_directory(f"{volume}/{shard}")

    def _all(
        self, volume: VolumeId, sizes: SizeFilter | None, *, looks: bool
    ) -> list[tuple[str, ShardSummary]]:
        """Return the summaries of all shards. With `looks`, look at each directory, for a proof."""
        shards = shards_in(self._file_system, volume)
        found: list[tuple[str, ShardSummary]] = []
        listed = 0
        for shard in shards:
            if listed > FILES_PER_REQUEST_MAX and not self._is_forgetful:
                raise StillListing(f"volume {volume}: {len(found)} of {len(shards)} shards listed")
            known = self._volume(volume).get(shard)
            each = self._summary(volume, shard, sizes, looks=looks)
            if each is not None:
                found.append((shard, each))
                listed += each.files if each is not known else 0
        return found

    def _summary(
        self, volume: VolumeId, shard: str, sizes: SizeFilter | None, *, looks: bool
    ) -> ShardSummary | None:
        """Return the summary of a shard, or None if it does not exist."""
        known = self._volume(volume).get(shard)
        # Read before the look, so that a change during it makes the summary invalid.
        mark = self._file_system.changes.mark_of_shard(str(volume), shard)
        is_known = known is not None and sizes in known.digests
        if is_known and not looks and self._is_verified(volume, shard, mark):
            return known
        directory = f"{volume}/{shard}"
        try:
            stamp = self._look(directory)
            if known is not None and known.stamp == stamp and sizes in known.digests:
                self._verify(volume, shard, known, mark)
                return known
            if not stamp.is_lasting:
                stamp = self._give_stamp(directory)
            found = summarize(volume, stamp, self._list_shard(volume, shard), sizes, known=known)
            is_unchanged = self._look(directory) == stamp
        except FileNotFoundError:
            return None
        if is_unchanged and (stamp.is_lasting or self._is_read_only):
            with self._lock:
                self._volume(volume)[shard] = found
                self._marks.get(volume, {}).pop(shard, None)
                self._unsaved.setdefault(volume, set()).add(shard)
        else:
            # Some file systems store no time before 1970, so that nothing can be remembered.
            self._is_forgetful = not (stamp.is_lasting or self._is_read_only)
            self._forget(volume, shard)
        return found

    def _is_verified(self, volume: VolumeId, shard: str, mark: object) -> bool:
        """Return True if the known summary was compared with its directory at this mark."""
        marks = self._marks.get(volume, {})
        return shard in marks and marks[shard] is mark

    def _verify(self, volume: VolumeId, shard: str, known: ShardSummary, mark: object) -> None:
        """Record that a summary was compared with its directory, unless it is another one now."""
        with self._lock:
            if self._volume(volume).get(shard) is known:
                self._marks.setdefault(volume, {})[shard] = mark

    def _look(self, directory: str) -> Stamp:
        return stamp_of(self._file_system.stat(directory))

    def _give_stamp(self, directory: str) -> Stamp:
        """Give a directory a new stamp. A disk that refuses it keeps the time of the last change.

        On a read-only disk that time is enough, because nothing changes.
        """
        try:
            self._file_system.stamp_directory(directory, new_mtime_nanoseconds())
            self._is_read_only = False
        except FileNotFoundError:
            raise
        except OSError as error:
            self._is_read_only = error.errno == errno.EROFS
        return self._look(directory)

    def _forget(self, volume: VolumeId, shard: str) -> None:
        with self._lock:
            if self._known.get(volume, {}).pop(shard, None) is not None:
                self._unsaved.setdefault(volume, set()).add(shard)
        self._memory.forget(volume, shard)

    def _volume(self, volume: VolumeId) -> dict[str, ShardSummary]:
        """Return the known summaries of a volume, at first the saved ones."""
        known = self._known.get(volume)
        if known is None:
            with self._lock:
                known = self._known.setdefault(volume, self._load(volume))
        return known

    def _load(self, volume: VolumeId) -> dict[str, ShardSummary]:
        try:
            with opened(self._file_system, summaries_path(volume)) as file:
                return parse_summaries(file.read())
        except (NotFound, Corrupt, ValueError, OSError) as error:
            if not isinstance(error, NotFound):
                log.warning("the saved summaries of volume %s are not usable: %s", volume, error)
            return {}
