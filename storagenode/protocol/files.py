"""Files as a node reports, lists, and sends them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """A published file, with durable bytes and name. `existed` is True if it was there before."""

    path: str
    digest: str
    bytes: int
    mtime_seconds: int
    existed: bool


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of a shard. The digest of an unverified file is empty."""

    name: str
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """Metadata of a file on a node."""

    digest: str
    size_bytes: int
    mtime_seconds: int


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """The verified bytes of a file, and its metadata."""

    data: bytes
    metadata: FileMetadata


@dataclass(frozen=True, slots=True)
class FileStream:
    """A file that is being received from a node, not verified yet."""

    metadata: FileMetadata
    chunks: AsyncIterator[bytes]
