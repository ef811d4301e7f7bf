"""Staged files: hidden in `.staging/`, hashed while written, and fsynced before publishing."""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Iterator

from runtime.crashpoint import crashpoint
from storagenode.disk.filesystem import FileSystem
from storagenode.protocol.errors import DigestMismatch
from storagenode.protocol.layout import STAGING

_sequence = itertools.count()


class StagedFile:
    """A file on the disk under a hidden name, which is never served.

    Write it, seal it, link it to its name, and discard it, in this order. Always discard it.
    """

    def __init__(self, file_system: FileSystem, *, process: str) -> None:
        self.path = f"{STAGING}/{process}-{next(_sequence)}"
        self.bytes = 0
        self.replaces = ""
        self._file_system = file_system
        self._hash = hashlib.sha256()
        self._handle: int | None = file_system.create(self.path)
        crashpoint("tmp_created")

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes written so far, as lower-case hex."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        assert self._handle is not None, "cannot write to a sealed file"
        self._hash.update(data)
        self._file_system.write(self._handle, data)
        self.bytes += len(data)
        crashpoint("mid_write")

    def seal(self, *, mtime_seconds: int, digest: str) -> None:
        """Record digest and time with the bytes, and return when everything is durable.

        Raises:
            DigestMismatch: The bytes do not match this digest.
            OSError: The disk failed. After a failed fsync, no byte of the file can be trusted.
        """
        assert self._handle is not None, "cannot seal a file twice"
        crashpoint("before_digest_check")
        if self.digest != digest:
            raise DigestMismatch(
                f"digest mismatch: received SHA-256 {self.digest}, expected {digest}"
            )
        self._file_system.set_digest(self._handle, digest)
        self._file_system.set_mtime(self._handle, mtime_seconds)
        crashpoint("before_fsync")
        self._file_system.fsync(self._handle)
        crashpoint("after_fsync")
        handle, self._handle = self._handle, None
        self._file_system.close(handle)

    def discard(self) -> None:
        """Remove the hidden name. The bytes stay if the file is published."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            with contextlib.suppress(OSError):
                self._file_system.close(handle)
        # The next start of the node removes a name that cannot be removed now.
        with contextlib.suppress(OSError):
            self._file_system.unlink(self.path)


@contextlib.contextmanager
def staged(file_system: FileSystem) -> Iterator[StagedFile]:
    """Create a staged file and discard it when the block exits."""
    file = StagedFile(file_system, process=f"{os.getpid():x}")
    try:
        yield file
    finally:
        file.discard()


def empty_staging(file_system: FileSystem) -> int:
    """Remove the staged files of earlier processes; return their number."""
    names = file_system.list(STAGING)
    for name in names:
        file_system.unlink(f"{STAGING}/{name}")
    return len(names)
