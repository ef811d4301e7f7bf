"""The file system calls of a node below one root, as an interface that tests replace.

All calls block and take paths relative to the root. They raise `OSError` unchanged, and callers
decide what an error means for a photo. Only a failed fsync has a class of its own.
"""

import errno
import os
import threading
import time
from pathlib import Path
from typing import Protocol

from runtime.histogram import Histogram
from storagenode.disk.changes import Changes
from storagenode.disk.direct_io import write_direct
from storagenode.disk.syncfs import sync_file_system
from storagenode.file_stat import FileStat
from storagenode.protocol.layout import NODE_MARKER
from storagenode.protocol.wire import FSYNC_BOUNDS_SECONDS
from storagenode.store import Space

DIGEST_XATTR = "user.sha256"
STAGED_MODE = 0o600
# The group is for an edge on the node's machine that reads the disk.
FINAL_MODE = 0o440
DIRECTORY_MODE = 0o750


class FsyncFailed(OSError):
    """Written bytes can be lost, whatever the error, and even if a later fsync succeeds."""


class FileSystem(Protocol):
    """The calls of a store. A handle is a file descriptor or represents one."""

    changes: Changes
    """Marks of the changes of names. Each call that changes one notes it, also if it fails."""

    def create(self, path: str) -> int:
        """Open a new file for writing and reading; `FileExistsError` if the name is taken."""

    def create_unnamed(self) -> int:
        """Open a new file that has no name yet; raise `OSError` where the disk has no such files.

        Without a name, a crash or `close` removes it.
        """

    def open_to_append(self, path: str) -> int:
        """Open an existing file for reading, and for writing at its end."""

    def write(self, handle: int, data: bytes) -> None:
        """Write all bytes, in as many system calls as needed."""

    def set_digest(self, handle: int, digest: str) -> None:
        """Record the SHA-256, as lower-case hex, with the file."""

    def set_mtime(self, handle: int, seconds: int) -> None:
        """Set the modification time to a whole second."""

    def fsync(self, handle: int) -> None:
        """Return when bytes, digest, and time are durable, or raise `FsyncFailed`."""

    def drop_cache(self, handle: int) -> None:
        """Drop the file from the page cache, so that the next read is from the disk."""

    def close(self, handle: int) -> None:
        """Close the handle."""

    def link(self, source: str, target: str) -> None:
        """Give a file a second name; `FileExistsError` if the name is taken."""

    def link_unnamed(self, handle: int, target: str) -> None:
        """Give a file from `create_unnamed` its name; raise as `link` does."""

    def rename(self, source: str, target: str) -> None:
        """Move a file, replacing any file at the target."""

    def unlink(self, path: str) -> None:
        """Remove a name."""

    def make_directory(self, path: str) -> bool:
        """Create a directory in an existing one; return True if it is new."""

    def remove_directory(self, path: str) -> bool:
        """Remove a directory if it is empty; return True if it was."""

    def stamp_directory(self, path: str, mtime_nanoseconds: int) -> None:
        """Set the mtime of a directory, until the next change of a name in it."""

    def fsync_directory(self, path: str) -> None:
        """Return when the directory's names are durable, or raise `FsyncFailed`."""

    def sync_disk(self) -> None:
        """Return when all files and names of the whole disk are durable, or raise `FsyncFailed`."""

    def list(self, path: str) -> list[str]:
        """Return the names in a directory, unsorted."""

    def stat(self, path: str) -> FileStat:
        """Return size, times, and inode of a name, without following a symbolic link."""

    def exists(self, path: str) -> bool:
        """Return True if a name exists. An error of the disk raises instead of returning False."""

    def open_to_read(self, path: str) -> int:
        """Open a file for reading. A symbolic link raises an error."""

    def stat_open(self, handle: int) -> FileStat:
        """Return size, time, and inode of an open file."""

    def digest_open(self, handle: int) -> str | None:
        """Return the recorded SHA-256 of an open file, or None."""

    def read_at(self, handle: int, offset: int, bytes_max: int) -> bytes:
        """Return up to `bytes_max` bytes from an offset, none at the end of the file."""

    def read_cached(self, handle: int, size: int) -> bytearray | None:
        """Return the first `size` bytes if all are in memory, or None if a disk must be read."""

    def space(self) -> Space:
        """Return the free and total space of the disk."""

    def is_intact(self) -> bool:
        """Return True if the root's path still leads to the opened root and its marker."""


class DiskFileSystem:
    """The real file system below a root directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._marker = str(root / NODE_MARKER)
        self._syncing = threading.Lock()
        self._sync_error: int | None = None
        self.changes = Changes()
        self.fsync_seconds = {
            kind: Histogram(FSYNC_BOUNDS_SECONDS) for kind in ("file", "directory", "disk")
        }
        """Durations of fsyncs by what they make durable."""

    def close_root(self) -> None:
        """Close the root. No other call may follow."""
        os.close(self._root)

    def create(self, path: str) -> int:
        """Open a new file for writing and reading."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, STAGED_MODE, dir_fd=self._root)

    def create_unnamed(self) -> int:
        """Open a new file without a name (O_TMPFILE)."""
        flags = os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC
        return os.open(".", flags, STAGED_MODE, dir_fd=self._root)

    def open_to_append(self, path: str) -> int:
        """Open an existing file for reading, and for writing at its end."""
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, dir_fd=self._root)

    def write(self, handle: int, data: bytes) -> None:
        """Write all bytes, because the kernel can accept fewer than given."""
        rest = memoryview(data)[write_direct(handle, data) :]
        while rest:
            rest = rest[os.write(handle, rest) :]

    def set_digest(self, handle: int, digest: str) -> None:
        """Record the SHA-256 in the file's xattr and make the file read-only."""
        value = digest.encode("ascii")
        try:
            os.setxattr(handle, DIGEST_XATTR, value)
        except PermissionError:
            # Setting an xattr requires write permission.
            os.fchmod(handle, STAGED_MODE)
            os.setxattr(handle, DIGEST_XATTR, value)
        os.fchmod(handle, FINAL_MODE)

    def set_mtime(self, handle: int, seconds: int) -> None:
        """Set access and modification time to the same whole second."""
        nanoseconds = seconds * 1_000_000_000
        os.utime(handle, ns=(nanoseconds, nanoseconds))

    def fsync(self, handle: int) -> None:
        """Fsync the file."""
        _fsync(handle, self.fsync_seconds["file"])

    def drop_cache(self, handle: int) -> None:
        """Drop the clean pages of the file."""
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self, handle: int) -> None:
        """Close the descriptor."""
        os.close(handle)

    def link(self, source: str, target: str) -> None:
        """Give a file a second name."""
        root = self._root
        try:
            os.link(source, target, src_dir_fd=root, dst_dir_fd=root, follow_symlinks=False)
        finally:
            self.changes.note(target)

    def link_unnamed(self, handle: int, target: str) -> None:
        """Give an open file a name, as open(2) shows it for O_TMPFILE."""
        try:
            os.link(f"/proc/self/fd/{handle}", target, dst_dir_fd=self._root, follow_symlinks=True)
        finally:
            self.changes.note(target)

    def rename(self, source: str, target: str) -> None:
        """Move a file."""
        try:
            os.rename(source, target, src_dir_fd=self._root, dst_dir_fd=self._root)
        finally:
            self.changes.note(source)
            self.changes.note(target)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        try:
            os.unlink(path, dir_fd=self._root)
        finally:
            self.changes.note(path)

    def make_directory(self, path: str) -> bool:
        """Create a directory, unless another thread was first."""
        try:
            os.mkdir(path, DIRECTORY_MODE, dir_fd=self._root)
        except FileExistsError:
            return False
        finally:
            self.changes.note(path)
        return True

    def remove_directory(self, path: str) -> bool:
        """Remove a directory, unless another thread has put a file into it."""
        try:
            os.rmdir(path, dir_fd=self._root)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
                return False
            raise
        finally:
            self.changes.note(path)
        return True

    def stamp_directory(self, path: str, mtime_nanoseconds: int) -> None:
        """Set access and modification time of a directory."""
        times = (mtime_nanoseconds, mtime_nanoseconds)
        try:
            os.utime(path, ns=times, dir_fd=self._root, follow_symlinks=False)
        finally:
            self.changes.note(path)

    def fsync_directory(self, path: str) -> None:
        """Fsync a directory. The root is `.`."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._root)
        try:
            _fsync(handle, self.fsync_seconds["directory"])
        finally:
            os.close(handle)

    def sync_disk(self) -> None:
        """Sync the whole file system of the root. After a failure, every call fails.

        The kernel reports a lost write to one caller, but it can concern the files of another.
        """
        with self._syncing:
            if self._sync_error is None:
                started = time.perf_counter()
                try:
                    sync_file_system(self._root)
                except OSError as error:
                    self._sync_error = error.errno
                self.fsync_seconds["disk"].observe(time.perf_counter() - started)
            if self._sync_error is not None:
                raise FsyncFailed(self._sync_error, os.strerror(self._sync_error))

    def list(self, path: str) -> list[str]:
        """Return the names in a directory, unsorted."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._root)
        try:
            return os.listdir(handle)  # noqa: PTH208  # pathlib cannot list a descriptor
        finally:
            os.close(handle)

    def stat(self, path: str) -> FileStat:
        """Return size, times, and inode of a name."""
        found = os.stat(path, dir_fd=self._root, follow_symlinks=False)
        return FileStat(found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)

    def exists(self, path: str) -> bool:
        """Return True if a name exists."""
        try:
            os.stat(path, dir_fd=self._root, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def open_to_read(self, path: str) -> int:
        """Open a file for reading."""
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._root)

    def stat_open(self, handle: int) -> FileStat:
        """Return size, time, and inode of an open file."""
        found = os.fstat(handle)
        return FileStat(found.st_size, found.st_mtime_ns, found.st_ino)

    def digest_open(self, handle: int) -> str | None:
        """Return the SHA-256 in the file's xattr, or None."""
        try:
            return os.getxattr(handle, DIGEST_XATTR).decode("ascii", "replace")
        except OSError as error:
            if error.errno == errno.ENODATA:
                return None
            raise

    def read_at(self, handle: int, offset: int, bytes_max: int) -> bytes:
        """Return up to `bytes_max` bytes from an offset."""
        return os.pread(handle, bytes_max, offset)

    def read_cached(self, handle: int, size: int) -> bytearray | None:
        """Return the bytes if the page cache has them; None if not or if unknown."""
        data = bytearray(size)
        try:
            if os.preadv(handle, [data], 0, os.RWF_NOWAIT) == size:
                return data
        except OSError:
            pass
        return None

    def space(self) -> Space:
        """Return the space that is available to this process."""
        found = os.fstatvfs(self._root)
        return Space(
            free_bytes=found.f_bavail * found.f_frsize,
            total_bytes=found.f_blocks * found.f_frsize,
            free_inodes=found.f_favail,
            total_inodes=found.f_files,
        )

    def is_intact(self) -> bool:
        """Return True if the root is the opened one: unmounting a disk leaves another directory."""
        try:
            current = os.stat(self._marker, follow_symlinks=False)  # noqa: PTH116  # called at each write
            opened = os.stat(NODE_MARKER, dir_fd=self._root, follow_symlinks=False)
            return os.path.samestat(current, opened)
        except OSError:
            return False


def _fsync(handle: int, durations: Histogram) -> None:
    started = time.perf_counter()
    try:
        os.fsync(handle)
    except OSError as error:
        raise FsyncFailed(error.errno, error.strerror) from error
    finally:
        durations.observe(time.perf_counter() - started)
