"""Whether a disk takes writes: its room against the reserve, and what its errors say of it."""

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass

from storagenode.disk.filesystem import FileSystem, FsyncFailed
from storagenode.protocol.errors import DiskSuspect, NodeError, OutOfSpace
from storagenode.store import Space

RESERVE_FRACTION = 0.01
RESERVE_BYTES_MIN = 256 * 1024 * 1024
RESERVE_INODES_FRACTION = 0.01
# New photos stop at twice the reserve, so that sizes and repairs of what is there still fit.
SOFT_MARK_RESERVES = 2

_FULL = {errno.ENOSPC, errno.EDQUOT}
_SUSPECT = {errno.EIO, errno.EROFS, errno.ENODEV, errno.ENXIO}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """What a disk keeps free, so that tombstones can be written on a full one."""

    bytes: int
    inodes: int


def reserve_of(space: Space) -> Reserve:
    """One per cent of the disk, and never less than 256 MiB unless the disk is tiny."""
    least = min(RESERVE_BYTES_MIN, space.total_bytes // 10)
    return Reserve(
        bytes=max(int(space.total_bytes * RESERVE_FRACTION), least),
        inodes=int(space.total_inodes * RESERVE_INODES_FRACTION),
    )


class DiskHealth:
    """What is known of one disk. Once it has failed a write it takes none until a restart."""

    def __init__(self, file_system: FileSystem) -> None:
        self._file_system = file_system
        self.reserve = reserve_of(file_system.space())
        self.suspect_reason = ""

    def check_writable(self) -> None:
        """Raise `DiskSuspect` if the disk must not be written."""
        if not self._file_system.is_intact():
            raise DiskSuspect("the root or its marker is not what it was: is the disk mounted?")
        if self.suspect_reason:
            raise DiskSuspect(f"the disk is read-only here since an error: {self.suspect_reason}")

    def check_free_space(self, bytes_needed: int) -> None:
        """Raise `OutOfSpace` if so many bytes would eat into the reserve."""
        space = self._file_system.space()
        if space.free_bytes - bytes_needed < self.reserve.bytes:
            raise OutOfSpace(
                f"{space.free_bytes} bytes are free, {self.reserve.bytes} of them are kept for "
                f"deletes, {bytes_needed} more are needed"
            )
        if space.total_inodes and space.free_inodes <= self.reserve.inodes:
            raise OutOfSpace(f"{space.free_inodes} inodes are free, all kept for deletes")

    def accepts_new_photos(self) -> bool:
        """Whether there is room above the soft mark, and no reason to doubt the disk."""
        space = self._file_system.space()
        soft_bytes = SOFT_MARK_RESERVES * self.reserve.bytes
        soft_inodes = SOFT_MARK_RESERVES * self.reserve.inodes
        has_inodes = not space.total_inodes or space.free_inodes > soft_inodes
        return not self.suspect_reason and space.free_bytes > soft_bytes and has_inodes

    @contextlib.contextmanager
    def translate_write_errors(self) -> Iterator[None]:
        """Turn the disk's errors into ours, and remember the ones that make it suspect.

        A failed fsync is never tried again: the kernel may have dropped the bytes already.
        """
        try:
            yield
        except OSError as error:
            if isinstance(error, FsyncFailed) or error.errno in _SUSPECT:
                self.suspect_reason = str(error)
                raise DiskSuspect(f"the disk failed a write: {error}") from error
            if error.errno in _FULL:
                raise OutOfSpace(f"the disk is full: {error}") from error
            raise NodeError(f"the disk did not take the write: {error}") from error
