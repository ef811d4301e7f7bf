"""An open file of any store. It compares every byte with the recorded digest before use."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from storagenode.protocol.errors import Corrupt

CHUNK_BYTES = 1024 * 1024


class FileStat(NamedTuple):
    """What a directory entry says of a file; a directory's mtime tells of changes in it.

    A named tuple, because every read makes one, and dataclasses are slower.
    """

    bytes: int
    mtime_nanoseconds: int
    inode: int

    @property
    def mtime_seconds(self) -> int:
        """The whole second it was written, the same on every mirror."""
        return self.mtime_nanoseconds // 1_000_000_000


class Source(Protocol):
    """Where the bytes of open files come from: a file system, or an object of a bucket."""

    def read_at(self, handle: int, offset: int, bytes_max: int) -> bytes:
        """Up to so many bytes from an offset; none at the end of the file."""

    def read_cached(self, handle: int, size: int) -> bytearray | None:
        """The first so many bytes if memory has them all."""

    def drop_cache(self, handle: int) -> None:
        """Have memory forget the file."""

    def close(self, handle: int) -> None:
        """Let go of the handle."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file open for reading, with what is noted of it."""

    path: str
    handle: int
    stat: FileStat
    digest: str | None
    source: Source

    def close(self) -> None:
        """Let go of it."""
        self.source.close(self.handle)

    def drop_cache(self) -> None:
        """Have memory forget it, so that the next read is of what is kept."""
        self.source.drop_cache(self.handle)

    def read_cached(self) -> bytearray | None:
        """All bytes, verified, if memory has them; None if a disk would have to be waited for.

        Raises:
            Corrupt: They are not the bytes that were written.
        """
        data = self.source.read_cached(self.handle, self.stat.bytes)
        if data is not None:
            self._compare(hashlib.sha256(data).hexdigest())
        return data

    def read(self) -> bytes:
        """All bytes, verified.

        Raises:
            Corrupt: They are not the bytes that were written.
        """
        data = b"".join(self.chunks(0, self.stat.bytes))
        self._compare(hashlib.sha256(data).hexdigest())
        return data

    def verify(self) -> None:
        """Read all of it, piece by piece, and raise `Corrupt` unless its digest is right."""
        self._compare(self.compute_digest())

    def compute_digest(self) -> str:
        """The SHA-256 of what the file holds now."""
        hasher = hashlib.sha256()
        for chunk in self.chunks(0, self.stat.bytes):
            hasher.update(chunk)
        return hasher.hexdigest()

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from start to before end, piece by piece, not verified."""
        offset = start
        while offset < end:
            chunk = self.source.read_at(self.handle, offset, min(CHUNK_BYTES, end - offset))
            if not chunk:
                raise Corrupt(f"{self.path} ends at byte {offset}, before {end}")
            yield chunk
            offset += len(chunk)

    def _compare(self, found: str) -> None:
        if self.digest is None:
            raise Corrupt(f"{self.path} has no digest, so that its bytes cannot be believed")
        if found != self.digest:
            raise Corrupt(f"{self.path} has SHA-256 {found}, was written with {self.digest}")
