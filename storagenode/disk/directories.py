"""Directories that are known to be on the disk, so that a name in them cannot be lost with them."""

import threading
from collections.abc import Callable

from storagenode.disk.filesystem import FileSystem
from storagenode.protocol.layout import directory_of, parents_of


class DurableDirectories:
    """Makes directories once, and never lets a file be published in one that a crash could lose."""

    def __init__(self, file_system: FileSystem) -> None:
        self._file_system = file_system
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def make_parents_of(self, path: str) -> None:
        """Return when every directory above the path exists and its own name is on the disk."""
        if directory_of(path) not in self._known:
            with self._lock:
                self._make(parents_of(path))

    def give_name(self, path: str, name_it: Callable[[], None]) -> None:
        """Make the parents, then do what gives something this path.

        If that finds a directory missing it was lost under our feet: make it anew, once.
        """
        self.make_parents_of(path)
        try:
            name_it()
        except FileNotFoundError:
            # Under the lock, so that no empty directory is removed in between.
            with self._lock:
                self._known.difference_update(parents_of(path))
                self._make(parents_of(path))
                name_it()

    def make_all(self, parent: str, names: tuple[str, ...]) -> None:
        """Make many directories within one, for the price of one fsync."""
        with self._lock:
            for name in names:
                self._file_system.make_directory(f"{parent}/{name}")
            self._file_system.fsync_directory(parent)
            self._known.update(f"{parent}/{name}" for name in names)

    def learn(self, parent: str) -> None:
        """Take what exists within a directory as known, after one fsync of it."""
        with self._lock:
            self._file_system.fsync_directory(parent)
            self._known.add(parent)
            self._known.update(f"{parent}/{name}" for name in self._file_system.list(parent))

    def remove_empty_parents_of(self, path: str, *, below: str) -> None:
        """Remove the directories above a path, from the inside, as far as they are empty."""
        with self._lock:
            for directory in reversed(parents_of(path)):
                if directory == below or not self._file_system.remove_directory(directory):
                    return
                self._known.discard(directory)

    def _make(self, directories: list[str]) -> None:
        for directory in directories:
            if directory not in self._known:
                self._file_system.make_directory(directory)
                # Also when it was there: whoever made it may have died before this fsync.
                self._file_system.fsync_directory(_parent_of(directory))
                self._known.add(directory)


def _parent_of(directory: str) -> str:
    head, _, _ = directory.rpartition("/")
    return head or "."
