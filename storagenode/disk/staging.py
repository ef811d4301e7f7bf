"""A file being written: hidden in `.staging/`, hashed on the way, fsynced before it is seen."""

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
    """A file that is on the disk under a name that is never served.

    Write it, seal it, link it to its name, discard it: in that order, and always discard. A file
    of the digest `replaces` gives way to it, and so does a size that no info vouches for; no other
    sound file does.
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
        """The SHA-256 of what was written so far, as lower-case hex."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        assert self._handle is not None, "written after it was sealed"
        self._hash.update(data)
        self._file_system.write(self._handle, data)
        self.bytes += len(data)
        crashpoint("mid_write")

    def seal(self, *, mtime_seconds: int, digest: str) -> None:
        """Note digest and time beside the bytes, and return when all of it is on the disk.

        Raises:
            DigestMismatch: What was written does not have this digest.
            OSError: The disk failed; after a failed fsync nothing of this file may be believed.
        """
        assert self._handle is not None, "sealed twice"
        crashpoint("before_digest_check")
        if self.digest != digest:
            raise DigestMismatch(f"the bytes have SHA-256 {self.digest}, announced was {digest}")
        self._file_system.set_digest(self._handle, digest)
        self._file_system.set_mtime(self._handle, mtime_seconds)
        crashpoint("before_fsync")
        self._file_system.fsync(self._handle)
        crashpoint("after_fsync")
        handle, self._handle = self._handle, None
        self._file_system.close(handle)

    def discard(self) -> None:
        """Remove the hidden name; the bytes stay if they were linked to another."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            with contextlib.suppress(OSError):
                self._file_system.close(handle)
        # A name that cannot be removed now is removed when the node next starts.
        with contextlib.suppress(OSError):
            self._file_system.unlink(self.path)


@contextlib.contextmanager
def staged(file_system: FileSystem) -> Iterator[StagedFile]:
    """A staged file that is discarded at the end, whatever happens."""
    file = StagedFile(file_system, process=f"{os.getpid():x}")
    try:
        yield file
    finally:
        file.discard()


def empty_staging(file_system: FileSystem) -> int:
    """Remove what an earlier process left unfinished; how many files that were."""
    names = file_system.list(STAGING)
    for name in names:
        file_system.unlink(f"{STAGING}/{name}")
    return len(names)
