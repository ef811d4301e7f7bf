"""Giving a sealed file its name: never over another, never past a tombstone, durable when told."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from runtime.crashpoint import crashpoint
from storagenode.disk.directories import DurableDirectories
from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import opened, recorded_digest
from storagenode.disk.staging import StagedFile
from storagenode.protocol.errors import Conflict, Gone
from storagenode.protocol.files import Published
from storagenode.protocol.layout import QUARANTINE, Place, directory_of, hint_path, quarantine_path
from storagenode.taken_names import Resolution, resolve_taken_name
from volumes.cluster import NodeId
from volumes.photo_path import (
    Info,
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    render_path,
    tombstone_paths,
)

_LOCKS = 256
# Versions that are known to be under no tombstone; a page's worth of photos many times over.
_CLEAR_MAX = 4096


class Publisher:
    """Links staged files to their names."""

    def __init__(
        self,
        file_system: FileSystem,
        directories: DurableDirectories,
        *,
        now_seconds: Callable[[], float],
    ) -> None:
        self._file_system = file_system
        self._directories = directories
        self._now_seconds = now_seconds
        self._locks = [threading.RLock() for _ in range(_LOCKS)]
        self._is_clear = lru_cache(_CLEAR_MAX)(self._look_for_tombstones)
        self._since_last_tombstone = object()

    @contextlib.contextmanager
    def photo_lock(self, file: PhotoFile) -> Iterator[None]:
        """No other file of this photo, and no tombstone, can come between what is done inside."""
        photo = file.photo if isinstance(file, PhotoTombstone) else file.photo_version.photo
        with self._locks[hash(photo) % _LOCKS]:
            yield

    def publish(self, files: Sequence[tuple[StagedFile, Place]]) -> tuple[Published, ...]:
        """Give sealed files their names and return when all of them are on the disk.

        Raises:
            Gone: A tombstone covers one.
            Conflict: The name of a variant is taken by other, sound bytes that are finished.
            OSError: The disk failed.
        """
        published = tuple(self._give_name(staged, place) for staged, place in files)
        crashpoint("before_dirsync")
        # Also of what was there before: whoever linked it may not have come to this fsync.
        for directory in dict.fromkeys(directory_of(file.path) for file in published):
            self._file_system.fsync_directory(directory)
        crashpoint("after_dirsync")
        return published

    def raise_if_deleted(self, file: PhotoFile, *, hint_for: NodeId | None = None) -> None:
        """Raise `Gone` if a tombstone covers this file.

        For a file held for another node, a tombstone held for it counts too.
        """
        if isinstance(file, PhotoTombstone | VersionTombstone):
            return
        for path in tombstone_paths(file.photo_version):
            if self._file_system.exists(path) or (
                hint_for is not None and self._file_system.exists(hint_path(hint_for, path))
            ):
                raise Gone(f"{render_path(file)} is gone: {path} says so")

    def raise_if_deleted_cached(self, file: PhotoFile) -> None:
        """As `raise_if_deleted`, for reads: the disk is asked once for each version that is clear.

        It is asked again after any tombstone. No other process gives names in this root, whose
        marker is locked; and what is new is noted after its link, by a thing that never comes
        again, so that who looked before that link has not looked for all time.
        """
        if not isinstance(file, PhotoTombstone | VersionTombstone):
            self._is_clear(file.photo_version, self._since_last_tombstone)

    def _look_for_tombstones(self, photo_version: PhotoVersion, since: object) -> None:
        """What it raises is not remembered, only that it raised nothing."""
        del since
        self.raise_if_deleted(Info(photo_version))

    def raise_if_info_differs(self, infos: Sequence[tuple[StagedFile, Place]]) -> None:
        """Raise `Conflict` if a version has an info of other bytes, which is kept.

        It tells of sizes that were made before; where one of those is missing or damaged, it is to
        be had from another mirror, and not to be made up for by one that the info does not tell of.
        """
        for info, place in infos:
            with contextlib.suppress(FileNotFoundError):
                if recorded_digest(self._file_system, place.path) != info.digest:
                    raise Conflict(f"{place} is there already, and tells of other sizes")

    def add_to_quarantine(self, path: str) -> str:
        """Give a file a second name in the quarantine, and return it when it is on the disk."""
        aside = quarantine_path(path, unique=f"{self._now_seconds():.6f}")
        self._file_system.link(path, aside)
        self._file_system.fsync_directory(QUARANTINE)
        return aside

    def _give_name(self, staged: StagedFile, place: Place) -> Published:
        self._directories.make_parents_of(place.path)
        crashpoint("after_mkdir")
        with self.photo_lock(place.file):
            self.raise_if_deleted(place.file, hint_for=place.hint_for)
            crashpoint("before_link")
            published = self._link(staged, place)
            crashpoint("after_link")
        return published

    def _link(self, staged: StagedFile, place: Place) -> Published:
        def link() -> None:
            self._file_system.link(staged.path, place.path)
            if isinstance(place.file, PhotoTombstone | VersionTombstone):
                self._since_last_tombstone = object()

        try:
            self._directories.give_name(place.path, link)
        except FileExistsError:
            return self._resolve_existing(staged, place)
        return Published(place.path, staged.digest, staged.bytes, existed=False)

    def _resolve_existing(self, staged: StagedFile, place: Place) -> Published:
        with opened(self._file_system, place.path) as existing:
            found, recorded, size = existing.compute_digest(), existing.digest, existing.stat.bytes
        resolution = resolve_taken_name(
            staged,
            place,
            found=found,
            recorded=recorded,
            exists=lambda other: self._file_system.exists(other.path),
        )
        if resolution is Resolution.KEEP:
            return Published(place.path, found, size, existed=True)
        if resolution is Resolution.QUARANTINE_AND_REPLACE:
            self.add_to_quarantine(place.path)
        # The rename is atomic, so the name always has a file.
        self._file_system.rename(staged.path, place.path)
        return Published(place.path, staged.digest, staged.bytes, existed=False)
