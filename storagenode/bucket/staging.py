"""Spooled files for a bucket: in memory while they are small, then in a temporary file.

The metadata of an object is sent before its bytes and contains the digest of all bytes. Therefore a
file is sent only when it is complete, and an interrupted upload leaves nothing in the bucket.
"""

import contextlib
import errno
import hashlib
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from storagenode.protocol.errors import NodeError, OutOfSpace

# The size of one request.
MEMORY_BYTES_MAX = 8 * 1024 * 1024


class SpooledFile:
    """A file that is written and hashed before it is sent."""

    def __init__(self) -> None:
        self.bytes = 0
        self.replaces = ""
        self.proof = ""
        """The proof of a tombstone, which is recorded in place of the digest."""
        self._hash = hashlib.sha256()
        self._file = tempfile.SpooledTemporaryFile(MEMORY_BYTES_MAX)  # noqa: SIM115  # see close

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes written so far, as lower-case hex."""
        return self._hash.hexdigest()

    @property
    def file(self) -> BinaryIO:
        """The bytes as a readable file."""
        return cast("BinaryIO", self._file)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._hash.update(data)
        self._file.write(data)
        self.bytes += len(data)

    def close(self) -> None:
        """Discard the bytes."""
        self._file.close()


@contextlib.contextmanager
def spooled(data: bytes = b"") -> Iterator[SpooledFile]:
    """Create a spooled file with these bytes and discard it when the block exits."""
    file = SpooledFile()
    try:
        if data:
            file.write(data)
        yield file
    finally:
        file.close()


@contextlib.contextmanager
def translate_temporary_disk_errors() -> Iterator[None]:
    """Translate errors of the temporary disk, which stores large files until they are complete."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise OutOfSpace(f"the disk for temporary files is full: {error}") from error
        raise NodeError(f"cannot write the temporary file: {error}") from error
