"""The write state of a disk: its free space, its reserve, and its errors."""

import contextlib
import errno
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass

from storagenode.disk.filesystem import FileSystem, FsyncFailed
from storagenode.protocol.errors import DiskSuspect, NodeError, OutOfSpace
from storagenode.protocol.layout import volume_marker
from storagenode.store import Condition, Space
from volumes.photo_path import VolumeId

RESERVE_FRACTION = 0.01
RESERVE_BYTES_MIN = 256 * 1024 * 1024
RESERVE_INODES_FRACTION = 0.01
# New photos stop at twice the reserve, so that sizes and repairs of existing photos still fit.
SOFT_MARK_RESERVES = 2

ROOT_CHANGED = (
    "the root directory or its marker has changed; check that the disk is mounted. If it was "
    "emptied, stop the node, run `glassplate node init`, and start the node"
)
VOLUME_LOST = (
    "volume {volume} was removed from the disk; restart the node, and the other mirrors fill it"
)

_FULL = {errno.ENOSPC, errno.EDQUOT}
_SUSPECT = {errno.EIO, errno.EROFS, errno.ENODEV, errno.ENXIO}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Space that stays free, so that a full disk can still store tombstones."""

    bytes: int
    inodes: int


def reserve_of(space: Space) -> Reserve:
    """Return one percent of the disk, at least 256 MiB or a tenth of a tiny disk."""
    least = min(RESERVE_BYTES_MIN, space.total_bytes // 10)
    return Reserve(
        bytes=max(int(space.total_bytes * RESERVE_FRACTION), least),
        inodes=int(space.total_inodes * RESERVE_INODES_FRACTION),
    )


class DiskHealth:
    """The state of one disk. After a failed write, it accepts none until a restart."""

    def __init__(self, file_system: FileSystem, volumes: Container[VolumeId]) -> None:
        self._file_system = file_system
        self._volumes = volumes
        self.reserve = reserve_of(file_system.space())
        self.suspect_reason = ""
        self.errors: Counter[str] = Counter()
        """Number of errors of writes by their name, such as EIO."""

    def check_writable(self) -> None:
        """Raise `DiskSuspect` if the disk must not be written to."""
        if not self._file_system.is_intact():
            raise DiskSuspect(ROOT_CHANGED)
        self.raise_if_suspect()

    def raise_if_suspect(self) -> None:
        """Raise `DiskSuspect` if the disk has failed a write."""
        if self.suspect_reason:
            raise DiskSuspect(f"the disk accepts no writes until a restart: {self.suspect_reason}")

    def raise_if_emptied(self, path: str) -> None:
        """Raise `DiskSuspect` if a file is missing because its root or its volume is."""
        if not self._file_system.is_intact():
            raise DiskSuspect(ROOT_CHANGED)
        head = path.partition("/")[0]
        if head.isdecimal() and (volume := VolumeId(int(head))) in self._volumes:
            if self._file_system.exists(volume_marker(volume)):
                return
            self.suspect_reason = VOLUME_LOST.format(volume=volume)
            raise DiskSuspect(self.suspect_reason)

    def check_free_space(self, bytes_needed: int) -> None:
        """Raise `OutOfSpace` if a write of this size would use the reserve."""
        space = self._file_system.space()
        if space.free_bytes - bytes_needed < self.reserve.bytes:
            raise OutOfSpace(
                f"not enough space for {bytes_needed} bytes: {space.free_bytes} are free, and "
                f"{self.reserve.bytes} are reserved for deletes"
            )
        if space.total_inodes and space.free_inodes <= self.reserve.inodes:
            raise OutOfSpace(
                f"not enough inodes: {space.free_inodes} are free, all reserved for deletes"
            )

    def accepts_new_photos(self) -> bool:
        """Return True if the disk is not suspect and has space above the soft mark."""
        space = self._file_system.space()
        soft_bytes = SOFT_MARK_RESERVES * self.reserve.bytes
        soft_inodes = SOFT_MARK_RESERVES * self.reserve.inodes
        has_inodes = not space.total_inodes or space.free_inodes > soft_inodes
        return not self.suspect_reason and space.free_bytes > soft_bytes and has_inodes

    def condition(self, *, unwritten_tombstones: int) -> Condition:
        """Return the write state of the disk."""
        suspect = self.suspect_reason if self._file_system.is_intact() else ROOT_CHANGED
        return Condition(
            accepts_new_photos=not suspect and self.accepts_new_photos(),
            suspect_reason=suspect,
            unwritten_tombstones=unwritten_tombstones,
            reserve_bytes=self.reserve.bytes,
        )

    @contextlib.contextmanager
    def translate_write_errors(self) -> Iterator[None]:
        """Translate errors of the disk as `translated` does."""
        try:
            yield
        except OSError as error:
            raise self.translated(error) from error

    def translated(self, error: OSError) -> NodeError:
        """Return the error of a failed write, and mark the disk suspect on a serious one.

        A failed fsync is never retried, because the kernel can have dropped the bytes already.
        """
        self.errors[errno.errorcode.get(error.errno or 0, "unknown")] += 1
        if isinstance(error, FsyncFailed) or error.errno in _SUSPECT:
            self.suspect_reason = str(error)
            return DiskSuspect(f"disk write failed: {error}")
        if error.errno in _FULL:
            return OutOfSpace(f"the disk is full: {error}")
        return NodeError(f"disk write failed: {error}")
