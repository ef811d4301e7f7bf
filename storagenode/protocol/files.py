"""Files as a node reports, lists, and sends them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """The file is at its name, bytes and name fsynced. `existed` says that it was so before."""

    path: str
    digest: str
    bytes: int
    existed: bool


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of a shard. An empty digest means unverified: its xattr is missing."""

    name: str
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """What a node has noted of a file."""

    digest: str
    size_bytes: int
    mtime_seconds: int


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file's bytes, verified, and what is noted of it."""

    data: bytes
    metadata: FileMetadata


@dataclass(frozen=True, slots=True)
class FileStream:
    """A file on its way from a node, not verified yet."""

    metadata: FileMetadata
    chunks: AsyncIterator[bytes]
