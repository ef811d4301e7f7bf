"""Giving a sealed file its name: never over another, never past a tombstone, durable when told."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from storagenode.crashpoint import crashpoint
from storagenode.directories import DurableDirectories
from storagenode.errors import Conflict, Gone
from storagenode.filesystem import FileSystem
from storagenode.layout import Place, parents_of
from storagenode.reading import digest_of_bytes
from storagenode.staging import StagedFile
from volumes.cluster import NodeId
from volumes.photo_path import (
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    render_path,
)

_LOCKS = 256


@dataclass(frozen=True, slots=True)
class Published:
    """The file is at its name, bytes and name fsynced. `was_there` says that it was so before."""

    path: str
    digest: str
    bytes: int
    was_there: bool


class Publisher:
    """Links staged files to their names."""

    def __init__(self, file_system: FileSystem, directories: DurableDirectories) -> None:
        self._file_system = file_system
        self._directories = directories
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    @contextlib.contextmanager
    def photo_locked(self, file: PhotoFile) -> Iterator[None]:
        """No tombstone of this photo can come between what is done inside."""
        photo = file.photo if isinstance(file, PhotoTombstone) else file.of.photo
        with self._locks[hash(photo) % _LOCKS]:
            yield

    def publish(self, staged: StagedFile, place: Place) -> Published:
        """Give one sealed file its name and return when that is on the disk.

        Raises:
            Gone: A tombstone covers it.
            Conflict: The name is taken by other, sound bytes.
            OSError: The disk failed.
        """
        self._directories.make_parents_of(place.path)
        crashpoint("after_mkdir")
        with self.photo_locked(place.file):
            self.refuse_if_gone(place.file, owed_to=place.owed_to)
            crashpoint("before_link")
            was_there = not self._link(staged, place.path)
            crashpoint("after_link")
        # Also when it was there: whoever linked it may not have come to this fsync.
        crashpoint("before_dirsync")
        self._file_system.fsync_directory(parents_of(place.path)[-1])
        crashpoint("after_dirsync")
        return Published(place.path, staged.digest, staged.bytes, was_there)

    def refuse_if_gone(self, file: PhotoFile, *, owed_to: NodeId | None = None) -> None:
        """Raise `Gone` if a tombstone covers this file.

        For a file held for another node, a tombstone held for it counts too.
        """
        if isinstance(file, PhotoTombstone | VersionTombstone):
            return
        for tombstone in tombstones_of(file.of):
            if self._file_system.exists(render_path(tombstone)) or (
                owed_to is not None and self._file_system.exists(Place(tombstone, owed_to).path)
            ):
                raise Gone(f"{render_path(file)} is gone: {render_path(tombstone)} says so")

    def _link(self, staged: StagedFile, path: str) -> bool:
        """Whether the name is new. The same bytes under the name already are as good."""
        try:
            self._link_in_directory(staged, path)
        except FileExistsError:
            if digest_of_bytes(self._file_system, path) != staged.digest:
                raise Conflict(f"{path} is there already, with other bytes") from None
            return False
        return True

    def _link_in_directory(self, staged: StagedFile, path: str) -> None:
        try:
            self._file_system.link(staged.path, path)
        except FileNotFoundError:
            # The directory was lost under our feet: make it anew, once.
            self._directories.forget_parents_of(path)
            self._directories.make_parents_of(path)
            self._file_system.link(staged.path, path)


def tombstones_of(of: PhotoVersion) -> tuple[PhotoTombstone, VersionTombstone]:
    """The two tombstones either of which makes a version gone."""
    return PhotoTombstone(of.volume, of.photo), VersionTombstone(of)
