"""Directories that are known to be durable, so that a crash cannot lose a name with them."""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from storagenode.disk.filesystem import FileSystem
from storagenode.protocol.layout import directory_of, parents_of

T = TypeVar("T")


# An operator can remove hidden directories at any moment. A command that removes a tree meets one
# operation once or twice.
ATTEMPTS_MAX = 10
# On a small new disk, first photos do not wait for new directories. A thousand volumes would need a
# million of them before the first photo.
VOLUMES_WITH_ALL_SHARDS_MAX = 16


def retry_if_missing(work: Callable[[], T]) -> T:
    """Do work that recreates what it finds missing, a few times if it is removed again."""
    for _ in range(ATTEMPTS_MAX - 1):
        with contextlib.suppress(FileNotFoundError):
            return work()
    return work()


class DurableDirectories:
    """The durable directories of a root. Each is created and fsynced once.

    If a directory has disappeared, `raise_if_emptied` is called with a path in it. It raises if the
    whole root or volume is missing, so that nothing is acknowledged on an emptied disk.
    """

    def __init__(self, file_system: FileSystem, raise_if_emptied: Callable[[str], None]) -> None:
        self._file_system = file_system
        self._raise_if_emptied = raise_if_emptied
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def make_parents_of(self, path: str) -> None:
        """Return when every directory above the path exists and its name is durable."""
        if directory_of(path) not in self._known:
            with self._lock:
                self._make(parents_of(path))

    def give_name(self, path: str, name_it: Callable[[], None]) -> None:
        """Create the parents, then call `name_it`, which creates this path.

        If a directory has disappeared meanwhile, create it again and retry.
        """
        self.make_parents_of(path)
        try:
            name_it()
        except FileNotFoundError:
            # The lock keeps other threads from removing the empty directory in between.
            with self._lock:
                retry_if_missing(lambda: self._name_again(path, name_it))
        # Another thread may have recreated the directory and not have fsynced its name yet.
        self.make_parents_of(path)

    def give_durable_name(self, path: str, name_it: Callable[[], None]) -> None:
        """Create the parents, then call `name_it`; return when the path is durable."""

        def name_and_sync() -> None:
            self.give_name(path, name_it)
            self._file_system.fsync_directory(directory_of(path))

        retry_if_missing(name_and_sync)

    def is_durable(self, directory: str) -> bool:
        """Return True if the name of a directory is known to be durable."""
        return directory in self._known

    def make_new(self, directory: str) -> None:
        """Create a directory whose name the caller makes durable.

        Raises:
            FileNotFoundError: It was durable and has disappeared, or its parent has.
        """
        if directory in self._known:
            raise FileNotFoundError(directory)
        self._file_system.make_directory(directory)

    def add_durable(self, directory: str) -> None:
        """Record that the name of a directory is durable."""
        if directory not in self._known:
            with self._lock:
                self._known.add(directory)

    def make_with_files(
        self, directories: Mapping[str, Sequence[str]], name_files: Callable[[], None]
    ) -> None:
        """Create directories of the root, the given ones below each, and files in them.

        `name_files` links the files. All names are durable on return.
        """
        below = [f"{parent}/{name}" for parent, names in directories.items() for name in names]
        with self._lock:
            for directory in (*directories, *below):
                self._file_system.make_directory(directory)
            name_files()
            for directory in (*directories, "."):
                self._file_system.fsync_directory(directory)
            self._known.update(directories, below)

    def learn(self, parent: str) -> None:
        """Fsync a directory and treat its entries as durable."""
        with self._lock:
            self._file_system.fsync_directory(parent)
            self._known.add(parent)
            self._known.update(f"{parent}/{name}" for name in self._file_system.list(parent))

    def forget(self, directory: str) -> None:
        """Forget a directory that was removed with everything in it."""
        with self._lock:
            self._known = {each for each in self._known if each.split("/")[0] != directory}

    def remove_empty_parents_of(self, path: str, *, below: str) -> None:
        """Remove the empty directories above a path, innermost first, up to `below`."""
        with self._lock:
            for directory in reversed(parents_of(path)):
                if directory == below or not self._file_system.remove_directory(directory):
                    return
                self._known.discard(directory)

    def _name_again(self, path: str, name_it: Callable[[], None]) -> None:
        self._raise_if_emptied(path)
        self._known.difference_update(parents_of(path))
        self._make(parents_of(path))
        name_it()
        self._raise_if_emptied(path)

    def _make(self, directories: list[str]) -> None:
        try:
            self._make_unknown(directories)
        except FileNotFoundError:
            retry_if_missing(lambda: self._make_all_again(directories))

    def _make_all_again(self, directories: list[str]) -> None:
        self._raise_if_emptied(directories[-1])
        self._known.difference_update(directories)
        self._make_unknown(directories)

    def _make_unknown(self, directories: list[str]) -> None:
        for directory in directories:
            if directory not in self._known:
                self._file_system.make_directory(directory)
                # Sync existing directories too: their process may have died before its fsync.
                self._file_system.fsync_directory(_parent_of(directory))
                self._known.add(directory)


def _parent_of(directory: str) -> str:
    head, _, _ = directory.rpartition("/")
    return head or "."
