"""Moves to the trash of a disk: files that a durable tombstone covers, and dropped copies."""

import logging
import time
from collections.abc import Callable
from functools import partial

from runtime.crashpoint import crashpoint
from storagenode.disk.directories import DurableDirectories
from storagenode.disk.filesystem import FileSystem
from storagenode.disk.health import DiskHealth
from storagenode.disk.lifecycle.dropping import move_volume_to_trash
from storagenode.disk.lifecycle.tiering import check_same_copy
from storagenode.disk.publishing import Publisher
from storagenode.disk.reading import recorded_digest
from storagenode.disk.walking import names_in
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import Place, covered_by, directory_of, trash_path
from volumes.photo_path import PhotoTombstone, VersionTombstone, VolumeId, render_path

log = logging.getLogger(__name__)

Tombstone = PhotoTombstone | VersionTombstone


class Deletes:
    """The moves to the trash of one disk. All calls are thread-safe."""

    def __init__(
        self,
        file_system: FileSystem,
        directories: DurableDirectories,
        publisher: Publisher,
        health: DiskHealth,
        *,
        now_seconds: Callable[[], float],
    ) -> None:
        self._file_system = file_system
        self._directories = directories
        self._publisher = publisher
        self._health = health
        self._now_seconds = now_seconds
        self._unfinished: set[Tombstone] = set()

    def trash_covered_files(self, tombstone: Tombstone) -> None:
        """Move the files that a durable tombstone covers to the trash.

        A failure is not one of the delete, because no covered file is served any more. `finish`
        retries the move. After a restart, reconcile finds the files and deletes them again.
        """
        try:
            with self._health.translate_write_errors():
                self._move_to_trash(tombstone)
        except NodeError as error:
            log.warning(
                "files of %s were not moved to the trash: %s", render_path(tombstone), error
            )
            self._unfinished.add(tombstone)
        else:
            self._unfinished.discard(tombstone)

    def drop_copy(self, place: Place, digest: str) -> None:
        """Move a file that the cold nodes store to the trash. A missing file is not an error.

        Raises:
            Conflict: The file has another digest than the copy on the cold nodes.
        """
        with self._publisher.photo_lock(place.file):
            if self._file_system.exists(place.path):
                check_same_copy(place, recorded_digest(self._file_system, place.path), digest)
                self._move(place.path, trash_path(self._today(), place.path))
                self._file_system.fsync_directory(directory_of(place.path))

    def drop_volume(self, volume: VolumeId) -> None:
        """Move all files of a volume to the trash, and remove its marker."""
        move_volume_to_trash(self._file_system, self._directories, volume, day=self._today())

    def finish(self) -> None:
        """Retry the moves that failed."""
        for tombstone in tuple(self._unfinished):
            self.trash_covered_files(tombstone)

    def _move_to_trash(self, tombstone: Tombstone) -> None:
        directory, prefix = covered_by(tombstone)
        day = self._today()
        with self._publisher.photo_lock(tombstone):
            for name in names_in(self._file_system, directory):
                if name.startswith(prefix) and not name.endswith(".gone"):
                    path = f"{directory}/{name}"
                    target = trash_path(day, path)
                    self._move(path, target)
                    crashpoint("after_unlink")
            self._file_system.fsync_directory(directory)

    def _today(self) -> str:
        return time.strftime("%Y-%m-%d", time.gmtime(self._now_seconds()))

    def _move(self, path: str, target: str) -> None:
        try:
            self._directories.give_name(target, partial(self._file_system.rename, path, target))
        except FileNotFoundError:
            if self._file_system.exists(path):
                raise
