"""Reading files back, with the digest they were written with compared before a byte is believed."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from storagenode.disk.filesystem import FileStat, FileSystem
from storagenode.protocol.errors import Corrupt, NotFound

CHUNK_BYTES = 1024 * 1024


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


@contextlib.contextmanager
def opened(file_system: FileSystem, path: str) -> Iterator[OpenFile]:
    """The file at a path, open for as long as the block lasts.

    Raises:
        NotFound: There is no such file.
    """
    file = open_file(file_system, path)
    try:
        yield file
    finally:
        file_system.close(file.handle)


def open_file(file_system: FileSystem, path: str) -> OpenFile:
    """The file at a path; the caller closes its handle.

    Raises:
        NotFound: There is no such file.
    """
    try:
        handle = file_system.open_to_read(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{path} is not there") from None
    try:
        stat = file_system.stat_open(handle)
        return OpenFile(path, handle, stat, file_system.digest_open(handle), file_system)
    except BaseException:
        file_system.close(handle)
        raise


def recorded_digest(file_system: FileSystem, path: str) -> str:
    """The digest noted on a file; empty when it is missing."""
    handle = file_system.open_to_read(path)
    try:
        return file_system.digest_open(handle) or ""
    finally:
        file_system.close(handle)
