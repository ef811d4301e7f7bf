"""A file on its way into a bucket: in memory while it is small, then in a temporary file.

An object's notes are sent before its bytes, and the digest is known only after them. So nothing is
sent before all of it is here; an upload that breaks off leaves nothing in the bucket.
"""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

# As much as is sent in one request.
MEMORY_BYTES_MAX = 8 * 1024 * 1024


class SpooledFile:
    """Bytes that were written and are hashed; nobody else sees them."""

    def __init__(self) -> None:
        self.bytes = 0
        self.replaces = ""
        self._hash = hashlib.sha256()
        self._file = tempfile.SpooledTemporaryFile(MEMORY_BYTES_MAX)  # noqa: SIM115  # see close

    @property
    def digest(self) -> str:
        """The SHA-256 of what was written so far, as lower-case hex."""
        return self._hash.hexdigest()

    @property
    def file(self) -> BinaryIO:
        """The bytes, to be read."""
        return cast("BinaryIO", self._file)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._hash.update(data)
        self._file.write(data)
        self.bytes += len(data)

    def close(self) -> None:
        """Let go of the bytes."""
        self._file.close()


@contextlib.contextmanager
def spooled(data: bytes = b"") -> Iterator[SpooledFile]:
    """A file that begins with these bytes, and is let go of at the end."""
    file = SpooledFile()
    try:
        if data:
            file.write(data)
        yield file
    finally:
        file.close()
