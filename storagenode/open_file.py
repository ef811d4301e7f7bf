"""Open files of any store, with their recorded digests."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from storagenode.file_stat import FileStat
from storagenode.known_checksums import KnownChecksums
from storagenode.protocol.errors import Corrupt

CHUNK_BYTES = 1024 * 1024

_KNOWN_CHECKSUMS = KnownChecksums()


class Source(Protocol):
    """The source of an open file's bytes: a file system, or an object of a bucket."""

    def read_at(self, handle: int, offset: int, bytes_max: int) -> bytes:
        """Return up to `bytes_max` bytes from an offset, none at the end of the file."""

    def read_cached(self, handle: int, size: int) -> bytearray | None:
        """Return the first `size` bytes or None if some are not in memory."""

    def drop_cache(self, handle: int) -> None:
        """Drop the file from the page cache."""

    def close(self, handle: int) -> None:
        """Close the handle."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file open for reading, with its metadata."""

    path: str
    handle: int
    stat: FileStat
    digest: str | None
    source: Source

    def close(self) -> None:
        """Close the file."""
        self.source.close(self.handle)

    def drop_cache(self) -> None:
        """Drop the file from the page cache, so that the next read is from the disk."""
        self.source.drop_cache(self.handle)

    def read_cached(self) -> bytearray | None:
        """Return all bytes, verified, if they are in memory; None if a disk must be read.

        Raises:
            Corrupt: The bytes do not match the recorded digest, or no digest is recorded.
        """
        data = self.source.read_cached(self.handle, self.stat.bytes)
        if data is not None:
            self._compare(_KNOWN_CHECKSUMS.sha256(data, self.digest))
        return data

    def read(self) -> bytes:
        """Return all bytes, verified.

        Raises:
            Corrupt: The bytes do not match the recorded digest, or no digest is recorded.
        """
        data = b"".join(self.chunks(0, self.stat.bytes))
        self._compare(hashlib.sha256(data).hexdigest())
        return data

    def verify(self) -> None:
        """Read the file in chunks and raise `Corrupt` unless it matches its recorded digest."""
        self._compare(self.compute_digest())

    def compute_digest(self) -> str:
        """Return the SHA-256 of the present bytes."""
        hasher = hashlib.sha256()
        for chunk in self.chunks(0, self.stat.bytes):
            hasher.update(chunk)
        return hasher.hexdigest()

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to before `end` in chunks, unverified."""
        offset = start
        while offset < end:
            chunk = self.source.read_at(self.handle, offset, min(CHUNK_BYTES, end - offset))
            if not chunk:
                raise Corrupt(f"{self.path} is truncated: it ends at byte {offset} of {end}")
            yield chunk
            offset += len(chunk)

    def _compare(self, found: str) -> None:
        if self.digest is None:
            raise Corrupt(f"{self.path} has no recorded digest, so its bytes cannot be verified")
        if found != self.digest:
            raise Corrupt(
                f"digest mismatch in {self.path}: its SHA-256 is {found}, recorded is {self.digest}"
            )
