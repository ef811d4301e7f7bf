"""What a node needs of whatever keeps its files: a disk or a bucket. All calls block, for threads.

`tests/storagenode/store_contract.py` and `store_keeping_contract.py` are these promises as tests.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from storagenode.open_file import OpenFile
from storagenode.protocol.files import ListedFile, Published
from storagenode.protocol.layout import HintFile, Place, TrashedFile
from volumes.cluster import NodeId
from volumes.cold_tier import ColdTier, SizeFilter
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import PhotoFile, PhotoVersion, VolumeId


class RootRefused(Exception):
    """A directory cannot serve as this node's root; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Space:
    """Room on the disk: bytes and inodes."""

    free_bytes: int
    total_bytes: int
    free_inodes: int
    total_inodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Whether a store takes writes, and if not, why."""

    accepts_new_photos: bool
    suspect_reason: str


class Staged(Protocol):
    """A file that is being written, and that nobody sees yet."""

    @property
    def digest(self) -> str:
        """The SHA-256 of what was written so far, as lower-case hex."""

    replaces: str
    """The digest of what gives way to it, if that has the name.

    So does a size that no info vouches for, and no other sound file.
    """

    def write(self, data: bytes) -> None:
        """Append bytes."""


S = TypeVar("S", bound=Staged)


class StoreOf(Protocol[S]):
    """A store whose unfinished files are of one kind, which only the store itself looks into."""

    @property
    def volumes(self) -> tuple[VolumeId, ...]:
        """The volumes that this node is a home of, by their markers."""

    @property
    def is_local(self) -> bool:
        """Whether opening a file waits for no network, so that an event loop may do it."""

    def space(self) -> Space:
        """How much room there is."""

    def condition(self) -> Condition:
        """Whether it takes writes, as far as that is known without waiting."""

    def is_intact(self) -> bool:
        """Whether it is still the store that was opened."""

    def create_volume(self, volume: VolumeId) -> None:
        """Make this node a home of the volume."""

    def staging(self, *, bytes_expected: int) -> AbstractContextManager[S]:
        """A hidden file to write, for `publish`; gone at the end unless it was published."""

    def publish(self, file: S, place: Place, *, mtime_seconds: int, digest: str) -> Published:
        """Give a staged file its name; both are kept for certain on return.

        Raises:
            DigestMismatch, Gone, Conflict, NotAMirror: As their names say; nothing was published.
            StoreNotWritable: The store failed; the file may or may not be there.
        """

    def publish_bundle(
        self, files: Sequence[tuple[Place, bytes, str]], *, mtime_seconds: int
    ) -> tuple[Published, ...]:
        """Publish the sizes of one version: place, bytes and digest of each; the info last."""

    def write_tombstone(self, place: Place, *, mtime_seconds: int) -> Published:
        """Write a tombstone, for ever, and move what it covers to the trash."""

    def raise_if_deleted(self, file: PhotoFile) -> None:
        """Raise `Gone` if a tombstone covers this file."""

    def open(self, path: str) -> OpenFile:
        """The file at a path, `NotFound` if there is none; the caller closes it."""

    def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """The files of a shard in order of names; `NotAMirror` if the volume is not here."""

    def tombstones(self, volume: VolumeId) -> list[str]:
        """The names of all tombstones of a volume; otherwise as `list_shard`."""

    def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """The files of one photo; otherwise as `list_shard`."""

    def digests(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, str]:
        """The digests of those of these files that are here, "" for none noted; or `NotAMirror`."""

    def read_all(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, tuple[bytes, str]]:
        """Bytes and digest of those of these small files that are here and sound."""

    def shard_digests(self, volume: VolumeId, part: SizeFilter | None = None) -> dict[str, str]:
        """A digest of names and digests of every shard with files, or files of a part of them."""

    @property
    def cold_tiers(self) -> dict[VolumeId, ColdTier]:
        """The volumes that are chilled, and how."""

    def set_cold_tier(self, volume: VolumeId, cold_tier: ColdTier | None) -> None:
        """Note durably who keeps the large sizes of a volume, or that all mirrors do again."""

    def drop_copy(self, place: Place, digest: str) -> None:
        """Let go of a file that the keepers of its chilled volume have; else `Conflict`."""

    def list_hints(self, limit: int, *, mirror: NodeId | None = None) -> list[HintFile]:
        """Up to so many of the files held for other nodes, or for one of them."""

    def count_hints(self, limit: int) -> int:
        """How many files are held for other nodes, counted up to a limit."""

    def remove_hint(self, place: Place) -> None:
        """Let go of a file that was held for a node, which has it now."""

    def find(self, photo: str) -> list[str]:
        """Every path of a photo here, wherever it is kept."""

    def mark_unverified(self, place: Place) -> None:
        """Have the next comparison of mirrors look at a file that has lost its digest."""

    def quarantine(self, place: Place, *, inode: int | None = None) -> str | None:
        """Set a corrupt file aside; its new path, or None if there was nothing to set aside."""

    def relink(
        self, photo_version: PhotoVersion, version: Version, *, original_only: bool = False
    ) -> tuple[str, ...]:
        """Give every file of a version a name under another version; the new paths."""

    def restore_digest(self, place: Place, digest: str) -> str:
        """Note the digest of a file that has none; its digest, or `Corrupt`."""

    def list_trash(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """What the trash has of a photo, the day it was deleted on last first."""

    def empty_trash(self, *, retention_days: int) -> int:
        """Let go of what was deleted longer ago than the retention; how many files that were."""


Store: TypeAlias = StoreOf[Any]
