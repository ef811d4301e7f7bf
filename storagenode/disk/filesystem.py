"""The file system as a node uses it: a few calls below one root, and a seam for tests.

Every call is blocking and takes paths relative to the root. Errors are `OSError`, untouched: what
they mean for a photo is decided by the callers. Only a failed fsync has a name of its own.
"""

import errno
import os
from pathlib import Path
from typing import Protocol

from storagenode.disk.direct_io import write_direct
from storagenode.open_file import FileStat
from storagenode.protocol.layout import NODE_MARKER
from storagenode.store import Space

DIGEST_XATTR = "user.sha256"
STAGED_MODE = 0o600
FINAL_MODE = 0o444
DIRECTORY_MODE = 0o755


class FsyncFailed(OSError):
    """What was written may be lost, whatever the error, and even if a next fsync succeeds."""


class FileSystem(Protocol):
    """The calls a store makes. A handle is a file descriptor, or stands for one."""

    def create(self, path: str) -> int:
        """Open a new file for writing; `FileExistsError` if the name is taken."""

    def write(self, handle: int, data: bytes) -> None:
        """Write all of the bytes, however many calls that takes."""

    def set_digest(self, handle: int, digest: str) -> None:
        """Note the SHA-256, as lower-case hex, beside the bytes."""

    def set_mtime(self, handle: int, seconds: int) -> None:
        """Set the time of writing to a whole second."""

    def fsync(self, handle: int) -> None:
        """Return when bytes, digest and time are on the disk; `FsyncFailed` if they may not be."""

    def drop_cache(self, handle: int) -> None:
        """Have memory forget the file, so that the next read is from the disk."""

    def close(self, handle: int) -> None:
        """Let go of the handle."""

    def link(self, source: str, target: str) -> None:
        """Give a file a second name; `FileExistsError` if the name is taken."""

    def rename(self, source: str, target: str) -> None:
        """Move a file, over whatever has the target's name."""

    def unlink(self, path: str) -> None:
        """Remove a name."""

    def make_directory(self, path: str) -> bool:
        """Make a directory whose parent exists; whether it is new."""

    def remove_directory(self, path: str) -> bool:
        """Remove a directory if it is empty; whether it was."""

    def fsync_directory(self, path: str) -> None:
        """Return when the directory's names are on the disk; `FsyncFailed` if they may not be."""

    def list(self, path: str) -> list[str]:
        """The names in a directory."""

    def stat(self, path: str) -> FileStat:
        """Size, time and inode of a name; a symbolic link is not followed."""

    def exists(self, path: str) -> bool:
        """Whether a name is there; only an answer of the disk counts as no."""

    def open_to_read(self, path: str) -> int:
        """Open a file for reading; a symbolic link is refused."""

    def stat_open(self, handle: int) -> FileStat:
        """Size, time and inode of an open file."""

    def digest_open(self, handle: int) -> str | None:
        """The noted SHA-256 of an open file, or None when there is none."""

    def read_at(self, handle: int, offset: int, bytes_max: int) -> bytes:
        """Up to so many bytes from an offset; none at the end of the file."""

    def read_cached(self, handle: int, size: int) -> bytearray | None:
        """The first so many bytes if memory has them all, so that no disk is waited for."""

    def space(self) -> Space:
        """How much room the disk has."""

    def is_intact(self) -> bool:
        """Whether the root's path still leads to the root that was opened, marker and all."""


class DiskFileSystem:
    """The real file system below a root directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._marker = str(root / NODE_MARKER)

    def close_root(self) -> None:
        """Let go of the root; no other call may follow."""
        os.close(self._root)

    def create(self, path: str) -> int:
        """Open a new file for writing."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, STAGED_MODE, dir_fd=self._root)

    def write(self, handle: int, data: bytes) -> None:
        """Write all of the bytes: the kernel may take fewer than it is given."""
        rest = memoryview(data)[write_direct(handle, data) :]
        while rest:
            rest = rest[os.write(handle, rest) :]

    def set_digest(self, handle: int, digest: str) -> None:
        """Note the SHA-256 in the file's xattr; from here on the file is read-only."""
        value = digest.encode("ascii")
        try:
            os.setxattr(handle, DIGEST_XATTR, value)
        except PermissionError:
            # An xattr may only be set by someone who may write the file.
            os.fchmod(handle, STAGED_MODE)
            os.setxattr(handle, DIGEST_XATTR, value)
        os.fchmod(handle, FINAL_MODE)

    def set_mtime(self, handle: int, seconds: int) -> None:
        """Set access and modification time to the same whole second."""
        nanoseconds = seconds * 1_000_000_000
        os.utime(handle, ns=(nanoseconds, nanoseconds))

    def fsync(self, handle: int) -> None:
        """Flush the file to the disk."""
        _fsync(handle)

    def drop_cache(self, handle: int) -> None:
        """Drop the file's pages, as far as they are clean."""
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self, handle: int) -> None:
        """Close the descriptor."""
        os.close(handle)

    def link(self, source: str, target: str) -> None:
        """Give a file a second name."""
        os.link(source, target, src_dir_fd=self._root, dst_dir_fd=self._root, follow_symlinks=False)

    def rename(self, source: str, target: str) -> None:
        """Move a file."""
        os.rename(source, target, src_dir_fd=self._root, dst_dir_fd=self._root)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        os.unlink(path, dir_fd=self._root)

    def make_directory(self, path: str) -> bool:
        """Make a directory; another thread may have been first."""
        try:
            os.mkdir(path, DIRECTORY_MODE, dir_fd=self._root)
        except FileExistsError:
            return False
        return True

    def remove_directory(self, path: str) -> bool:
        """Remove a directory; another thread may just have put something into it."""
        try:
            os.rmdir(path, dir_fd=self._root)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
                return False
            raise
        return True

    def fsync_directory(self, path: str) -> None:
        """Flush a directory to the disk; the root itself is `.`."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._root)
        try:
            _fsync(handle)
        finally:
            os.close(handle)

    def list(self, path: str) -> list[str]:
        """The names in a directory, in no order."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._root)
        try:
            return os.listdir(handle)  # noqa: PTH208  # pathlib cannot list a descriptor
        finally:
            os.close(handle)

    def stat(self, path: str) -> FileStat:
        """Size, time and inode of a name."""
        found = os.stat(path, dir_fd=self._root, follow_symlinks=False)
        return FileStat(found.st_size, found.st_mtime_ns, found.st_ino)

    def exists(self, path: str) -> bool:
        """Whether a name is there."""
        try:
            os.stat(path, dir_fd=self._root, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def open_to_read(self, path: str) -> int:
        """A descriptor to read a file by."""
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._root)

    def stat_open(self, handle: int) -> FileStat:
        """Size, time and inode of an open file."""
        found = os.fstat(handle)
        return FileStat(found.st_size, found.st_mtime_ns, found.st_ino)

    def digest_open(self, handle: int) -> str | None:
        """The SHA-256 in the file's xattr."""
        try:
            return os.getxattr(handle, DIGEST_XATTR).decode("ascii", "replace")
        except OSError as error:
            if error.errno == errno.ENODATA:
                return None
            raise

    def read_at(self, handle: int, offset: int, bytes_max: int) -> bytes:
        """Up to so many bytes from an offset."""
        return os.pread(handle, bytes_max, offset)

    def read_cached(self, handle: int, size: int) -> bytearray | None:
        """The bytes if the page cache has them; where the kernel cannot tell, None."""
        data = bytearray(size)
        try:
            if os.preadv(handle, [data], 0, os.RWF_NOWAIT) == size:
                return data
        except OSError:
            pass
        return None

    def space(self) -> Space:
        """How much room the disk has for this process."""
        found = os.fstatvfs(self._root)
        return Space(
            free_bytes=found.f_bavail * found.f_frsize,
            total_bytes=found.f_blocks * found.f_frsize,
            free_inodes=found.f_favail,
            total_inodes=found.f_files,
        )

    def is_intact(self) -> bool:
        """Whether the root is still the one opened: an unmounted disk leaves another behind."""
        try:
            there = os.stat(self._marker, follow_symlinks=False)  # noqa: PTH116  # asked at each write
            opened = os.stat(NODE_MARKER, dir_fd=self._root, follow_symlinks=False)
            return os.path.samestat(there, opened)
        except OSError:
            return False


def _fsync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        raise FsyncFailed(error.errno, error.strerror) from error
