"""A real file system that fails one of its calls, chosen by number."""

import errno
import os
from pathlib import Path
from typing import Any

from storagenode.disk.filesystem import DiskFileSystem, FsyncFailed

CALLS = (
    "create",
    "create_unnamed",
    "write",
    "set_digest",
    "set_mtime",
    "fsync",
    "close",
    "link",
    "link_unnamed",
    "rename",
    "unlink",
    "make_directory",
    "remove_directory",
    "stamp_directory",
    "fsync_directory",
    "sync_disk",
    "list",
    "stat",
    "exists",
    "open_to_read",
    "stat_open",
    "digest_open",
    "read_at",
    "space",
)
FSYNCS = ("fsync", "fsync_directory", "sync_disk")
TORN = -errno.ENOSPC
"""In place of an error number: half of a write reaches the disk, and then the disk is full."""


class FileSystemThatFails(DiskFileSystem):
    """A real file system that counts its calls. It skips fsyncs to save time."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.calls: list[str] = []
        self.failed = ""
        self._fail_at: int | None = None
        self._error = 0

    def fail(self, error: int, *, at: int) -> None:
        """Fail the call with the number `at`, counted from now, and no other."""
        self.calls, self.failed = [], ""
        self._fail_at, self._error = at, error

    def recover(self) -> None:
        """Fail no call."""
        self._fail_at = None

    def called(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Count a call, and fail it if it is the chosen one."""
        number = len(self.calls)
        self.calls.append(name)
        if number == self._fail_at and (self._error != TORN or name == "write"):
            self.failed = name
            if self._error == TORN:
                handle, data = arguments
                os.write(handle, data[: len(data) // 2])
            kind = FsyncFailed if name in FSYNCS else OSError
            raise kind(abs(self._error), os.strerror(abs(self._error)))


def _counted(name: str) -> Any:
    real = getattr(DiskFileSystem, name)

    def call(self: FileSystemThatFails, *arguments: Any) -> Any:
        self.called(name, arguments)
        return None if name in FSYNCS else real(self, *arguments)

    return call


for _name in CALLS:
    setattr(FileSystemThatFails, _name, _counted(_name))
