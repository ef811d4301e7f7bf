"""A file system in memory that logs every change, so that any crash can be simulated.

`CrashFileSystem` behaves as the real file system: written bytes are read back at once. It also
logs all changes. `crash_states.py` builds from the log every state that a power failure can leave.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from storagenode.disk.changes import Changes
from storagenode.file_stat import FileStat
from storagenode.store import Space

ROOT = 0
_SPACE = Space(1 << 40, 1 << 41, 1 << 20, 1 << 21)


@dataclass(frozen=True, slots=True)
class Contents:
    """A file's bytes, digest, and time."""

    data: bytes = b""
    digest: str | None = None
    mtime_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Image:
    """The content of a disk: names by directory, and contents by file, both by number."""

    directories: Mapping[int, Mapping[str, int]] = field(default_factory=lambda: {ROOT: {}})
    files: Mapping[int, Contents] = field(default_factory=dict)
    stamps: Mapping[int, int] = field(default_factory=dict)
    """The mtimes of directories that were set and that no change of a name has replaced."""


@dataclass(frozen=True, slots=True)
class Created:
    """A file or directory was created, without a name yet."""

    node: int
    is_directory: bool


@dataclass(frozen=True, slots=True)
class Named:
    """A name now refers to an inode, or to nothing if it is None.

    With `needs`, the change reaches the disk only together with the change of that name.
    """

    directory: int
    name: str
    node: int | None
    needs: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Wrote:
    """Bytes were appended to a file."""

    file: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Noted:
    """The digest and time of a file were set."""

    file: int
    digest: str | None
    mtime_seconds: int


@dataclass(frozen=True, slots=True)
class Stamped:
    """The mtime of a directory was set."""

    directory: int
    mtime_nanoseconds: int


@dataclass(frozen=True, slots=True)
class Synced:
    """A file or a directory was fsynced."""

    node: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A caller received the acknowledgement of an operation."""

    what: str


Operation = Created | Named | Wrote | Noted | Stamped | Synced | Acknowledged


class CrashFileSystem:
    """A `FileSystem` in memory, with a log."""

    def __init__(self, image: Image | None = None) -> None:
        image = image or Image()
        self.log: list[Operation] = []
        self.changes = Changes()
        self._directories = dict(image.directories)
        self._files = dict(image.files)
        self._stamps = dict(image.stamps)
        self._next_node = max([*self._directories, *self._files]) + 1
        self._handles: dict[int, int] = {}
        self._next_handle = 1

    def image(self) -> Image:
        """Return the present content of the disk."""
        return Image(dict(self._directories), dict(self._files), dict(self._stamps))

    def acknowledge(self, what: str) -> None:
        """Log that a caller received an acknowledgement."""
        self.log.append(Acknowledged(what))

    def contents(self) -> dict[str, Contents]:
        """Return every file by its path."""
        return dict(self._walk(ROOT, ""))

    def corrupt(self, path: str) -> None:
        """Change a file's bytes unnoticed, as a bad sector does."""
        node = self._find(path)
        data = self._files[node].data
        self._files[node] = replace(self._files[node], data=bytes([data[0] ^ 1]) + data[1:])

    def lose_digest(self, path: str) -> None:
        """Remove the digest of a file, as a copy by another program does."""
        node = self._find(path)
        self._files[node] = replace(self._files[node], digest=None)

    def lose_directory(self, path: str) -> None:
        """Remove a directory with its content."""
        parent, name = self._split(path)
        self._directories[parent] = _without(self._directories[parent], name)

    # The calls of a `FileSystem`.

    def create(self, path: str) -> int:
        """Open a new file."""
        parent, name = self._split(path)
        self._refuse_if_taken(parent, name, path)
        node = self._new_node(is_directory=False)
        self._files[node] = Contents()
        self._name(Named(parent, name, node))
        return self._open(node)

    def create_unnamed(self) -> int:
        """Open a new file without a name."""
        node = self._new_node(is_directory=False)
        self._files[node] = Contents()
        return self._open(node)

    def open_to_append(self, path: str) -> int:
        """Open a file whose writes append, as all writes here do."""
        return self._open(self._find(path))

    def write(self, handle: int, data: bytes) -> None:
        """Append bytes."""
        node = self._handles[handle]
        self._files[node] = replace(self._files[node], data=self._files[node].data + data)
        self.log.append(Wrote(node, bytes(data)))

    def set_digest(self, handle: int, digest: str) -> None:
        """Record the digest."""
        self._note(replace(self._files[self._handles[handle]], digest=digest), handle)

    def set_mtime(self, handle: int, seconds: int) -> None:
        """Set the time."""
        self._note(replace(self._files[self._handles[handle]], mtime_seconds=seconds), handle)

    def fsync(self, handle: int) -> None:
        """Make bytes, digest, and time durable."""
        self.log.append(Synced(self._handles[handle]))

    def drop_cache(self, handle: int) -> None:
        """Do nothing, because all files are in memory."""

    def close(self, handle: int) -> None:
        """Close a handle."""
        del self._handles[handle]

    def link(self, source: str, target: str) -> None:
        """Add a second name."""
        node = self._find(source)
        parent, name = self._split(target)
        self._refuse_if_taken(parent, name, target)
        self._name(Named(parent, name, node))
        self.changes.note(target)

    def link_unnamed(self, handle: int, target: str) -> None:
        """Give an open file its name."""
        parent, name = self._split(target)
        self._refuse_if_taken(parent, name, target)
        self._name(Named(parent, name, self._handles[handle]))
        self.changes.note(target)

    def rename(self, source: str, target: str) -> None:
        """Move a name. On the disk, the old name never disappears before the new one exists."""
        node = self._find(source)
        parent, name = self._split(target)
        self._name(Named(parent, name, node))
        old_parent, old_name = self._split(source)
        self._name(Named(old_parent, old_name, None, needs=(parent, name)))
        self.changes.note(source)
        self.changes.note(target)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        self._find(path)
        parent, name = self._split(path)
        self._name(Named(parent, name, None))
        self.changes.note(path)

    def make_directory(self, path: str) -> bool:
        """Create a directory unless it exists."""
        parent, name = self._split(path)
        if name in self._directories[parent]:
            return False
        node = self._new_node(is_directory=True)
        self._directories[node] = {}
        self._name(Named(parent, name, node))
        self.changes.note(path)
        return True

    def remove_directory(self, path: str) -> bool:
        """Remove a directory if it is empty."""
        if not self.exists(path) or self._directories[self._find(path)]:
            return False
        parent, name = self._split(path)
        self._name(Named(parent, name, None))
        self.changes.note(path)
        return True

    def stamp_directory(self, path: str, mtime_nanoseconds: int) -> None:
        """Set the mtime of a directory."""
        directory = self._find_directory(path)
        self._stamps[directory] = mtime_nanoseconds
        self.log.append(Stamped(directory, mtime_nanoseconds))
        self.changes.note(path)

    def fsync_directory(self, path: str) -> None:
        """Make the names of the directory durable."""
        self.log.append(Synced(self._find_directory(path)))

    def sync_disk(self) -> None:
        """Make everything durable."""
        for node in (*self._files, *self._directories):
            self.log.append(Synced(node))

    def list(self, path: str) -> list[str]:
        """Return the names in a directory."""
        return list(self._directories[self._find_directory(path)])

    def stat(self, path: str) -> FileStat:
        """Return the length and time of a file.

        The time of a directory is always new, unless it was set after the last change of a name.
        """
        return self._stat(self._find(path))

    def exists(self, path: str) -> bool:
        """Return True if the name exists."""
        try:
            self._find(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def open_to_read(self, path: str) -> int:
        """Open a file."""
        return self._open(self._find(path))

    def stat_open(self, handle: int) -> FileStat:
        """Return the length and time of an open file."""
        return self._stat(self._handles[handle])

    def digest_open(self, handle: int) -> str | None:
        """Return the recorded digest of an open file."""
        return self._files[self._handles[handle]].digest

    def read_at(self, handle: int, offset: int, bytes_max: int) -> bytes:
        """Return bytes of an open file."""
        return self._files[self._handles[handle]].data[offset : offset + bytes_max]

    def read_cached(self, handle: int, size: int) -> bytearray | None:
        """Return the bytes of an open file, which are always in memory."""
        return bytearray(self.read_at(handle, 0, size))

    def space(self) -> Space:
        """Return a large space."""
        return _SPACE

    def is_intact(self) -> bool:
        """Return True."""
        return True

    def _name(self, change: Named) -> None:
        entries = self._directories[change.directory]
        self._stamps.pop(change.directory, None)
        if change.node is None:
            self._directories[change.directory] = _without(entries, change.name)
        else:
            self._directories[change.directory] = {**entries, change.name: change.node}
        self.log.append(change)

    def _note(self, contents: Contents, handle: int) -> None:
        node = self._handles[handle]
        self._files[node] = contents
        self.log.append(Noted(node, contents.digest, contents.mtime_seconds))

    def _stat(self, node: int) -> FileStat:
        if node in self._directories:
            return FileStat(0, self._stamps.get(node, len(self.log) * 1_000_000_000), node)
        contents = self._files[node]
        return FileStat(len(contents.data), contents.mtime_seconds * 1_000_000_000, node)

    def _open(self, node: int) -> int:
        handle = self._next_handle
        self._next_handle += 1
        self._handles[handle] = node
        return handle

    def _new_node(self, *, is_directory: bool) -> int:
        node = self._next_node
        self._next_node += 1
        self.log.append(Created(node, is_directory))
        return node

    def _refuse_if_taken(self, parent: int, name: str, path: str) -> None:
        if name in self._directories[parent]:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)

    def _split(self, path: str) -> tuple[int, str]:
        head, _, name = path.rpartition("/")
        return self._find_directory(head or "."), name

    def _find_directory(self, path: str) -> int:
        node = self._find(path)
        if node not in self._directories:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return node

    def _find(self, path: str) -> int:
        node = ROOT
        for part in [] if path == "." else path.split("/"):
            entries = self._directories.get(node)
            if entries is None:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            if part not in entries:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            node = entries[part]
        return node

    def _walk(self, directory: int, prefix: str) -> Iterator[tuple[str, Contents]]:
        for name, node in self._directories[directory].items():
            entries = self._directories.get(node)
            if entries is None:
                yield f"{prefix}{name}", self._files[node]
            elif entries:
                yield from self._walk(node, f"{prefix}{name}/")


def _without(entries: Mapping[str, int], name: str) -> dict[str, int]:
    return {each: node for each, node in entries.items() if each != name}
