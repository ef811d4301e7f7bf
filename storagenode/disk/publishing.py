"""Publishing of sealed files: never over a sound file, never past a tombstone, always durable."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from permission_urls import TombstoneProofs
from runtime.crashpoint import crashpoint
from storagenode.disk.directories import DurableDirectories, retry_if_missing
from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import opened, recorded_digest
from storagenode.disk.staging import StagedFile
from storagenode.disk.unwritten_tombstones import UnwrittenTombstones
from storagenode.protocol.errors import (
    Conflict,
    Gone,
    NotFound,
)
from storagenode.protocol.files import Published
from storagenode.protocol.layout import (
    Place,
    directory_of,
    hint_path,
    quarantine_path,
)
from storagenode.taken_names import (
    Resolution,
    deleted_error,
    raise_if_of_another,
    resolve_taken_name,
    resolve_taken_tombstone,
    rival_paths,
    seconds_after_damage,
)
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
# Size of the cache of versions without tombstones: many times a batch of photos.
_UNDELETED_MAX = 4096


class Publisher:
    """Publisher of staged files, by links to their names."""

    def __init__(
        self,
        file_system: FileSystem,
        directories: DurableDirectories,
        proofs: TombstoneProofs,
        *,
        now_seconds: Callable[[], float],
    ) -> None:
        self._file_system = file_system
        self._directories = directories
        self.proofs = proofs
        self._now_seconds = now_seconds
        self._locks = [threading.RLock() for _ in range(_LOCKS)]
        self._is_undeleted = lru_cache(_UNDELETED_MAX)(self._check_tombstones)
        self._since_last_tombstone = object()
        self.unwritten = UnwrittenTombstones()

    def photo_lock(self, file: PhotoFile) -> contextlib.AbstractContextManager[object]:
        """Return the photo's lock: no other file or tombstone of it is published under it."""
        photo = file.photo if isinstance(file, PhotoTombstone) else file.photo_version.photo
        return self._locks[hash(photo) % _LOCKS]

    def publish(self, files: Sequence[tuple[StagedFile, Place]]) -> tuple[Published, ...]:
        """Link sealed files to their names and return when all names are durable.

        The lock of a photo makes the look for other originals of its version, and the link, one
        step. No other process publishes in this root, because its marker is locked.

        Raises:
            Gone: A tombstone covers a file.
            Conflict: The name of a variant holds other bytes, which are sound and finished, or the
                version has an original of another format.
            OSError: The disk failed.
        """
        published = tuple(self._give_name(staged, place) for staged, place in files)
        crashpoint("before_dirsync")
        # Sync the directories of files that already existed too: the process that linked them may
        # have died before its fsync.
        for directory in dict.fromkeys(directory_of(file.path) for file in published):
            self._sync(directory, files)
        crashpoint("after_dirsync")
        return published

    def _sync(self, directory: str, files: Sequence[tuple[StagedFile, Place]]) -> None:
        """Fsync a directory. If it was removed, give the files their names again."""

        def name_again() -> None:
            for staged, place in files:
                self._give_name(staged, place)
            self._file_system.fsync_directory(directory)

        try:
            self._file_system.fsync_directory(directory)
        except FileNotFoundError:
            retry_if_missing(name_again)

    def raise_if_deleted(self, file: PhotoFile, *, hint_for: NodeId | None = None) -> None:
        """Raise `Gone` if a tombstone covers this file.

        For a hint, hinted tombstones for the same mirror count as well.

        Raises:
            UnprovenTombstone: The tombstone has no valid proof. The file is neither served nor
                written, because the proof can be lost.
        """
        if isinstance(file, PhotoTombstone | VersionTombstone):
            return
        for path in tombstone_paths(file.photo_version):
            if path in self.unwritten:
                raise Gone(f"{render_path(file)} is deleted; the disk did not store {path}")
            places = [path] if hint_for is None else [path, hint_path(hint_for, path)]
            for place in filter(self._file_system.exists, places):
                with contextlib.suppress(FileNotFoundError):  # a hint that was delivered meanwhile
                    proof = recorded_digest(self._file_system, place)
                    raise deleted_error(self.proofs, file, path=path, place=place, proof=proof)

    def raise_if_refused(self, place: Place) -> None:
        """Raise `Gone` or `Conflict` if a file must not get its name. Hold the photo's lock."""
        self.raise_if_deleted(place.file, hint_for=place.hint_for)
        for rival in rival_paths(place):
            if self._file_system.exists(rival):
                raise Conflict(f"{place} cannot be stored: {rival} is the original")

    def raise_if_deleted_cached(self, file: PhotoFile) -> None:
        """Raise `Gone` if a tombstone covers this file, using cached lookups.

        The result for a version without tombstones is cached until the next tombstone. The cache
        key includes a token that is replaced after each tombstone is written, so a lookup made
        before is never reused. No other process publishes in this root, because its
        marker is locked.
        """
        if not isinstance(file, PhotoTombstone | VersionTombstone):
            self._is_undeleted(
                file.photo_version, self._since_last_tombstone, self.unwritten.since_last
            )

    def _check_tombstones(self, photo_version: PhotoVersion, *since: object) -> None:
        """Raise `Gone` if a tombstone covers the version. `lru_cache` does not cache exceptions."""
        del since
        self.raise_if_deleted(Info(photo_version))

    def raise_if_info_differs(self, files: Sequence[tuple[Place, bytes, str]]) -> None:
        """Raise `Conflict` if the version of an info has another info, or another original.

        The existing info is kept. It lists sizes that were made before. If one of them is missing
        or damaged, repair copies it from another mirror. A size that the info does not list must
        not replace it.
        """
        for place, info, digest in files:
            if not isinstance(place.file, Info):
                continue
            if self._digest_at(place) not in {None, digest}:
                raise Conflict(f"{place} exists and lists other sizes")
            raise_if_of_another(info, place, digest_of=self._digest_at)

    def _digest_at(self, place: Place) -> str | None:
        """Return the recorded digest of a file, "" without one, and None without a file."""
        with contextlib.suppress(FileNotFoundError):
            return recorded_digest(self._file_system, place.path)
        return None

    def add_to_quarantine(self, place: Place, *, is_requested: bool = False) -> str:
        """Link a file into the quarantine; return its path there once that is durable."""
        unique = f"{self._now_seconds():.6f}"
        target = quarantine_path(place, unique=unique, is_requested=is_requested)
        link = partial(self._file_system.link, place.path, target)
        self._directories.give_durable_name(target, link)
        return target

    def _give_name(self, staged: StagedFile, place: Place) -> Published:
        self._directories.make_parents_of(place.path)
        crashpoint("after_mkdir")
        with self.photo_lock(place.file):
            self.raise_if_refused(place)
            crashpoint("before_link")
            try:
                published = self._link(staged, place)
            finally:
                # Also one that was there before, from a backup or without a proof.
                if isinstance(place.file, PhotoTombstone | VersionTombstone):
                    self._since_last_tombstone = object()
            crashpoint("after_link")
        return published

    def _link(self, staged: StagedFile, place: Place) -> Published:
        link = partial(staged.link, place.path)
        try:
            self._directories.give_name(place.path, link)
        except FileExistsError:
            try:
                return self._resolve_existing(staged, place)
            except (NotFound, FileNotFoundError):
                # An operator removed the existing file.
                self._directories.give_name(place.path, link)
        return Published(
            place.path, staged.digest, staged.bytes, staged.mtime_seconds, existed=False
        )

    def _resolve_existing(self, staged: StagedFile, place: Place) -> Published:
        if isinstance(place.file, PhotoTombstone | VersionTombstone):
            return self._resolve_tombstone(staged, place)
        with opened(self._file_system, place.path) as existing:
            found, recorded, stat = existing.compute_digest(), existing.digest, existing.stat
        resolution = resolve_taken_name(
            staged,
            place,
            found=found,
            recorded=recorded,
            is_earlier=staged.mtime_seconds < stat.mtime_seconds,
            exists=lambda other: self._file_system.exists(other.path),
        )
        if resolution is Resolution.KEEP:
            return Published(place.path, found, stat.bytes, stat.mtime_seconds, existed=True)
        if resolution is Resolution.QUARANTINE_AND_REPLACE:
            self.add_to_quarantine(place)
            seconds = seconds_after_damage(
                staged,
                staged_seconds=staged.mtime_seconds,
                existing_seconds=stat.mtime_seconds,
                recorded=recorded,
            )
            if seconds != staged.mtime_seconds:
                staged.seal(mtime_seconds=seconds, digest=staged.digest)
        # The rename is atomic, so the name always has a file.
        staged.rename(place.path)
        existed = found == recorded == staged.digest
        return Published(
            place.path, staged.digest, staged.bytes, staged.mtime_seconds, existed=existed
        )

    def _resolve_tombstone(self, staged: StagedFile, place: Place) -> Published:
        existing = self._file_system.stat(place.path)
        mtime = existing.mtime_seconds
        recorded = recorded_digest(self._file_system, place.path)
        is_genuine = self.proofs.is_genuine(render_path(place.file), recorded)
        resolution = resolve_taken_tombstone(
            is_genuine=is_genuine,
            existing_bytes=existing.bytes,
            seconds_later=mtime - staged.mtime_seconds,
        )
        if resolution is Resolution.REPLACE:
            staged.rename(place.path)
            mtime = staged.mtime_seconds
        return Published(place.path, staged.digest, staged.bytes, mtime, existed=is_genuine)
