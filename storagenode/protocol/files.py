"""Files as a node reports, lists, and sends them."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass

from storagenode.protocol.errors import Corrupt
from storagenode.protocol.layout import Place


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
    """One file of a shard. The digest of an unverified file is empty.

    A tombstone has its proof in place of a digest.
    """

    name: str
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class VolumeSummary:
    """The contents of a volume on a node: a digest that equal mirrors share, and the size."""

    digest: str
    """Empty for an empty volume."""
    photos: int
    """Number of originals: one for each version."""
    bytes: int


@dataclass(frozen=True, slots=True)
class UnfinishedPhotos:
    """The photos of a volume on a node that lack sizes."""

    digest: str
    """The digest of the volume."""
    pending: tuple[str, ...]
    """The names of the originals without sizes."""
    doubtful: Mapping[str, str]
    """The digests of the shards with photos that may lack an original, a size, or a format."""


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """Metadata of a file on a node."""

    digest: str
    size_bytes: int
    mtime_seconds: int
    is_unverified: bool = False
    """True if no digest is recorded, so `digest` is the one of the present bytes."""

    def refuse_unverified(self, place: Place) -> None:
        """Raise `Corrupt` if no digest is recorded: damaged bytes would match their own."""
        if self.is_unverified:
            raise Corrupt(f"{place} has lost its recorded digest, so it cannot be verified")


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


def listing_digest(files: Sequence[ListedFile]) -> str:
    """Return one digest of all names and digests, or "" for an empty shard.

    Tombstones have no digest: their proofs differ between mirrors after a rotation of keys.
    """
    if not files:
        return ""
    lines = "".join(f"{file.name} {_digest_of(file)}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def volume_digest(shards: Mapping[str, str]) -> str:
    """Return one digest of the digests of all shards with files, or "" without any."""
    return names_digest(f"{shard} {digest}" for shard, digest in shards.items())


def is_original(name: str) -> bool:
    """Return True if the name of a photo file is that of an original."""
    return "_o." in name


def names_digest(names: Iterable[str]) -> str:
    """Return one digest of names in any order, or "" without any."""
    lines = "".join(f"{name}\n" for name in sorted(names))
    return hashlib.sha256(lines.encode()).hexdigest() if lines else ""


def _digest_of(file: ListedFile) -> str:
    return "" if file.name.endswith(".gone") else file.digest
