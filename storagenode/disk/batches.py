"""Publishing of many small files in phases, so that they share what waits for the disk.

Phase by phase, for all files: write, sync the files, link, sync the directories. A file without a
name needs no place in `.staging` (O_TMPFILE), and a crash leaves nothing of it. On a disk of its
own, a node syncs the whole disk twice in place of every file and every directory.

Only the common case is here: a new variant at its mirror. Everything else is left to the general
path: hints, tombstones, taken names, directories that have disappeared, disks without O_TMPFILE.
"""

import contextlib
import hashlib
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import ParamSpec

from runtime.crashpoint import crashpoint
from storagenode.disk.directories import DurableDirectories
from storagenode.disk.filesystem import FileSystem
from storagenode.disk.health import DiskHealth
from storagenode.disk.publishing import Publisher
from storagenode.disk.staging import check_digest
from storagenode.protocol.batch_wire import InMemoryFile, WriteOutcome
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import Published
from storagenode.protocol.layout import directory_of
from volumes.photo_path import Variant, VolumeId, volume_of

# More threads wait for the same journal of the disk.
AT_ONCE_MAX = 4
# Two single fsyncs cost as much as one sync of the disk.
FILES_MIN_FOR_DISK_SYNC = 2
# A sync of the disk also writes what other processes have changed. If that takes longer, single
# fsyncs are faster, for as long as this.
SLOW_SYNC_SECONDS = 0.05
RETRY_SECONDS = 10.0

P = ParamSpec("P")


@dataclass(slots=True, eq=False)
class _Member:
    """One file of a batch. Without an outcome at the end, it is left to the general path."""

    file: InMemoryFile
    handle: int | None = None
    outcome: WriteOutcome | None = None
    is_left: bool = False

    @property
    def is_under_way(self) -> bool:
        """True if the next phase applies."""
        return self.outcome is None and not self.is_left


class BatchPublisher:
    """Publisher of batches on one disk. `may_sync_disk` allows syncs of the whole disk.

    `volumes` are the volumes of the node at any time.
    """

    def __init__(
        self,
        file_system: FileSystem,
        publisher: Publisher,
        directories: DurableDirectories,
        health: DiskHealth,
        volumes: Container[VolumeId],
        *,
        may_sync_disk: bool,
        now_seconds: Callable[[], float],
    ) -> None:
        self._file_system = file_system
        self._publisher = publisher
        self._directories = directories
        self._health = health
        self._volumes = volumes
        self._may_sync_disk = may_sync_disk
        self._now_seconds = now_seconds
        self._no_disk_sync_until = 0.0

    def at_once(self, files: int) -> int:
        """Return how many batches are best published at once, for a number of files."""
        return 1 if self._syncs_disk(files) else min(files, AT_ONCE_MAX)

    def _syncs_disk(self, files: int) -> bool:
        """Return True if a batch with this number of files syncs the whole disk."""
        is_fast = self._now_seconds() >= self._no_disk_sync_until
        return self._may_sync_disk and files >= FILES_MIN_FOR_DISK_SYNC and is_fast

    def publish(self, files: Sequence[InMemoryFile]) -> list[WriteOutcome | None]:
        """Publish files; return the outcome of each, or None for a file that was left.

        Bytes and names of all published files are durable on return. An error of one file does not
        affect the others, unless it makes the disk suspect: then no file is published any more.
        """
        members = [_Member(file, is_left=not self._is_common(file)) for file in files]
        syncs_disk = self._syncs_disk(sum(member.is_under_way for member in members))
        try:
            self._check_disk(members)
            self._for_each(members, self._write)
            self._sync(members, self._sync_file, syncs_disk=syncs_disk)
            self._for_each(members, self._link)
            self._sync_names(members, syncs_disk=syncs_disk)
        finally:
            for member in members:
                self._close(member)
        return [member.outcome for member in members]

    def _is_common(self, file: InMemoryFile) -> bool:
        place = file.place
        is_variant = isinstance(place.file, Variant) and place.hint_for is None
        return is_variant and volume_of(place.file) in self._volumes

    def _check_disk(self, members: Sequence[_Member]) -> None:
        """Leave all files to the general path, which says why, if the disk takes no writes."""
        try:
            self._health.check_writable()
            with self._health.translate_write_errors():
                self._health.check_free_space(sum(len(member.file.data) for member in members))
        except NodeError:
            for member in members:
                member.is_left = True

    def _write(self, member: _Member) -> None:
        file, disk = member.file, self._file_system
        check_digest(hashlib.sha256(file.data).hexdigest(), expected=file.digest)
        try:
            member.handle = disk.create_unnamed()
        except OSError:
            member.is_left = True
            return
        crashpoint("tmp_created")
        disk.write(member.handle, file.data)
        crashpoint("mid_write")
        disk.set_digest(member.handle, file.digest)
        disk.set_mtime(member.handle, file.mtime_seconds)
        crashpoint("before_fsync")

    def _sync_file(self, member: _Member) -> None:
        assert member.handle is not None
        self._file_system.fsync(member.handle)
        crashpoint("after_fsync")

    def _link(self, member: _Member) -> None:
        assert member.handle is not None
        place = member.file.place
        with self._publisher.photo_lock(place.file):
            self._publisher.raise_if_refused(place)
            crashpoint("before_link")
            try:
                self._link_in_shard(member.handle, place.path)
            except (FileExistsError, FileNotFoundError):
                member.is_left = True
            crashpoint("after_link")

    def _link_in_shard(self, handle: int, path: str) -> None:
        try:
            self._file_system.link_unnamed(handle, path)
        except FileNotFoundError:
            # The first file of its shard.
            self._directories.make_new(directory_of(path))
            self._file_system.link_unnamed(handle, path)

    def _sync_names(self, members: Sequence[_Member], *, syncs_disk: bool) -> None:
        crashpoint("before_dirsync")
        synced: set[str] = set()

        def sync_directory(member: _Member) -> None:
            directory = directory_of(member.file.place.path)
            if directory in synced:
                return
            try:
                self._file_system.fsync_directory(directory)
                # Another batch may have created the shard and not have synced its name yet.
                if not self._directories.is_durable(directory):
                    self._file_system.fsync_directory(directory_of(directory))
                synced.add(directory)
            except FileNotFoundError:
                member.is_left = True

        self._sync(members, sync_directory, syncs_disk=syncs_disk)
        crashpoint("after_dirsync")
        for member in members:
            if member.is_under_way:
                file = member.file
                if volume_of(file.place.file) not in self._volumes:
                    member.is_left = True  # a drop can have moved the files of the volume
                    continue
                self._directories.add_durable(directory_of(file.place.path))
                member.outcome = Published(
                    file.place.path,
                    file.digest,
                    len(file.data),
                    file.mtime_seconds,
                    existed=False,
                )

    def _sync(
        self,
        members: Sequence[_Member],
        sync_one: Callable[[_Member], None],
        *,
        syncs_disk: bool,
    ) -> None:
        """Sync what each member needs, or the whole disk: then a failure concerns all of them."""
        if not syncs_disk:
            self._for_each(members, sync_one)
            return
        under_way = [member for member in members if member.is_under_way]
        if not under_way:
            return
        started = self._now_seconds()
        error = self._attempt(self._file_system.sync_disk)
        for member in under_way:
            member.outcome = error
        ended = self._now_seconds()
        if ended - started > SLOW_SYNC_SECONDS:
            self._no_disk_sync_until = ended + RETRY_SECONDS

    def _for_each(self, members: Sequence[_Member], step: Callable[[_Member], None]) -> None:
        """Run a step for each member under way. Its error is the member's outcome."""
        for member in members:
            if member.is_under_way:
                member.outcome = self._attempt(step, member)

    def _attempt(
        self, step: Callable[P, None], *args: P.args, **kwargs: P.kwargs
    ) -> NodeError | None:
        """Run a step; return its error, or that of a disk that takes no more writes."""
        try:
            self._health.raise_if_suspect()
            step(*args, **kwargs)
        except OSError as error:
            return self._health.translated(error)
        except NodeError as error:
            return error
        return None

    def _close(self, member: _Member) -> None:
        if member.handle is not None:
            with contextlib.suppress(OSError):
                self._file_system.close(member.handle)
