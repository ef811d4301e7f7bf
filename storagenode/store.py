"""The interface of a node's store, a disk or a bucket. All calls block and are thread-safe.

`tests/storagenode/store_contract.py` and `store_keeping_contract.py` test these promises.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from storagenode.protocol.batch_wire import InMemoryFile, WriteOutcome
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import ListedFile, Published, UnfinishedPhotos, VolumeSummary
from storagenode.protocol.layout import HintFile, Place, TrashedFile
from volumes.cluster import NodeId
from volumes.cold_tier import ColdTier, SizeFilter
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    VolumeId,
)
from volumes.photo_shapes import ShapeRule

if TYPE_CHECKING:
    from storagenode.open_file import OpenFile


class RootRefused(Exception):
    """A directory or bucket is not usable as this node's root. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Space:
    """Free and total bytes and inodes of a store."""

    free_bytes: int
    total_bytes: int
    free_inodes: int
    total_inodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The write state of a store. The reason is empty while it accepts writes."""

    accepts_new_photos: bool
    suspect_reason: str
    unwritten_tombstones: int = 0
    """Number of tombstones in memory that the store refused."""
    reserve_bytes: int = 0
    """Free space that only deletes use; new photos need twice as much."""


class Staged(Protocol):
    """A file that is being written and is not visible yet."""

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes written so far, as lower-case hex."""

    replaces: str
    """The digest of an existing file that this file replaces.

    A size without an info is also replaced. No other sound file ever is.
    """

    def write(self, data: bytes) -> None:
        """Append bytes."""


S = TypeVar("S", bound=Staged)


class StoreOf(Protocol[S]):
    """A store with one type of staged file, which is opaque to callers."""

    @property
    def volumes(self) -> tuple[VolumeId, ...]:
        """The volumes that this node mirrors, by their markers."""

    @property
    def is_local(self) -> bool:
        """True if opening a file never waits for a network, so an event loop can do it."""

    def space(self) -> Space:
        """Return the free and total space."""

    def condition(self) -> Condition:
        """Return the write state, as far as it is known without waiting."""

    def is_intact(self) -> bool:
        """Return True if this is still the store that was opened."""

    def create_volumes(self, volumes: Iterable[VolumeId]) -> None:
        """Make this node a mirror of volumes, if it is not yet."""

    def take_only(self, volumes: Collection[VolumeId]) -> None:
        """Take new files of these volumes only. Others that the store holds take tombstones."""

    def drop_volume(self, volume: VolumeId, digest: str) -> None:
        """Move a volume that takes no new files to the trash. A missing one counts as moved.

        Raises:
            Conflict: It takes new files, or its summary has another digest.
        """

    def staging(self, *, bytes_expected: int) -> AbstractContextManager[S]:
        """Yield a hidden file to write and publish; discard it at the end if it is unpublished."""

    def publish(self, file: S, place: Place, *, mtime_seconds: int, digest: str) -> Published:
        """Publish a staged file. Its bytes and its name are durable on return.

        Raises:
            DigestMismatch: The bytes do not match `digest`.
            Gone: A tombstone covers the file.
            Conflict: The name holds other bytes.
            NotAMirror: The volume is not on this node.
            BadRequest: The file is a tombstone, which `write_tombstone` writes.
            StoreNotWritable: The store failed, and the file may or may not be published. In the
                other cases nothing is published.
        """

    def batches_at_once(self, files: int) -> int:
        """Return how many batches are best published at once, for a number of small files."""

    def publish_many(self, files: Sequence[InMemoryFile]) -> list[WriteOutcome]:
        """Publish small files as `publish` does; return the outcome of each, in order.

        An error of one file does not affect the others.
        """

    def publish_bundle(
        self, files: Sequence[tuple[Place, bytes, str]], *, mtime_seconds: int
    ) -> tuple[Published, ...]:
        """Publish the sizes of one version, given by place, bytes, and digest; the info last."""

    def write_tombstone(self, place: Place, *, mtime_seconds: int, proof: str) -> Published:
        """Write a permanent tombstone and move the files that it covers to the trash.

        Raises:
            InvalidSignature: The proof is not valid for this tombstone.
        """

    def raise_if_deleted(self, file: PhotoFile) -> None:
        """Raise `Gone` if a tombstone covers this file, `UnprovenTombstone` if it has no proof."""

    def open(self, path: str) -> "OpenFile":
        """Open the file at a path or raise `NotFound`. The caller closes it."""

    def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """Return the files of a shard, sorted by name.

        Raises:
            NotAMirror: The volume is not on this node.
        """

    def shards(self, volume: VolumeId) -> Sequence[str]:
        """Return the shards of a volume that can have files, in order; raise as `list_shard`."""

    def tombstone_digests(self, volume: VolumeId) -> dict[str, str]:
        """Return a digest of the names of the tombstones of each shard that has any.

        Raises:
            NotAMirror: The volume is not on this node.
        """

    def tombstones(self, volume: VolumeId, shards: Iterable[str]) -> list[str]:
        """Return the names of all tombstones of some shards; raise as `list_shard` does."""

    def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """Return the files of one photo, sorted by name; raise as `list_shard` does."""

    def digests(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, str]:
        """Return the recorded digest of each existing file, "" if it has none.

        Raises:
            NotAMirror: The volume of a file is not on this node.
        """

    def read_all(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, tuple[bytes, str]]:
        """Return the bytes and digest of each small file that exists and is sound."""

    def shard_digests(self, volume: VolumeId, sizes: SizeFilter | None = None) -> dict[str, str]:
        """Return a digest of the names and digests of each shard that has matching files."""

    def volume_summary(self, volume: VolumeId) -> VolumeSummary:
        """Return the digest of all files of a volume, which equal mirrors share, and their size.

        Raises:
            NotAMirror: The volume is not on this node.
            StillListing: More is left to list than one request may; another one continues.
        """

    def unfinished(self, volume: VolumeId, rule: ShapeRule) -> UnfinishedPhotos:
        """Return the photos of a volume that lack sizes; raise as `volume_summary`."""

    def look_again(self) -> None:
        """Look at some of the files for changes by other programs, which summaries can miss.

        Repeated calls look at all of them, in turns.
        """

    def check_summary(self, volume: VolumeId, shard: str, files: tuple[ListedFile, ...]) -> None:
        """Compare what the store remembers of a shard with its listing, and forget what differs."""

    def load_state(self, name: str) -> bytes:
        """Return a saved state of the upkeep, empty without any."""

    def save_state(self, name: str, data: bytes) -> None:
        """Save a state of the upkeep. A crash can lose it."""

    def save_summaries(self) -> None:
        """Save what the store remembers of its shards, so that a restart need not list them."""

    @property
    def cold_tiers(self) -> dict[VolumeId, ColdTier]:
        """The cold tier of each offloaded volume."""

    def set_cold_tier(self, volume: VolumeId, cold_tier: ColdTier | None) -> None:
        """Record the cold tier of a volume durably, or remove it."""

    def drop_copy(self, place: Place, digest: str, *, node: NodeId) -> None:
        """Move a copy of a file that the cold nodes store to the trash of this `node`.

        Raises:
            Conflict: The volume is not offloaded, the node is one of its cold nodes, or the copy
                has another digest.
        """

    def list_hints(self, limit: int, *, mirror: NodeId | None = None) -> list[HintFile]:
        """Return up to `limit` hints, for all mirrors or for one."""

    def list_photo_hints(self, volume: VolumeId, photo: PhotoId) -> list[HintFile]:
        """Return the hints of one photo, for any mirror."""

    def count_hints(self, limit: int) -> int:
        """Return the number of hints, counted up to `limit`."""

    def settled(self) -> tuple[str, ...]:
        """Return the versions with an original in the quarantine that gave way to another."""

    def remove_hint(self, place: Place) -> None:
        """Remove a hint after its delivery."""

    def find(self, photo: str) -> list[str]:
        """Return every path of a photo in this store, in any area, sorted."""

    def mark_unverified(self, place: Place) -> None:
        """Mark a file as unverified, so that the next reconcile pass checks it."""

    def quarantine(
        self, place: Place, *, inode: int | None = None, digest: str | None = None
    ) -> str | None:
        """Quarantine a file; return its new path, or None if it no longer exists.

        With the `inode` that was read, or with a recorded `digest`, another file that has the name
        by now is not affected.
        """

    def relink(
        self, photo_version: PhotoVersion, version: Version, *, original_only: bool = False
    ) -> tuple[str, ...]:
        """Link every file of a version, or only the original, under another version.

        Return the new paths. Repeated calls have the same effect.
        """

    def restore_digest(self, place: Place, digest: str) -> str:
        """Record the digest of a file that has none; return its digest.

        `digest` is the digest that another mirror has recorded, or "". A file with a recorded
        digest is compared with that one.

        Raises:
            NotFound: The file does not exist.
            Corrupt: The bytes have another digest. The file is quarantined.
        """

    def erase(self, tombstone: PhotoTombstone | VersionTombstone, *, proof: str) -> list[str]:
        """Remove a deleted photo from every area, the trash included; return the removed paths.

        Raises:
            InvalidSignature: The proof is not valid for this tombstone.
        """

    def finish_deletes(self) -> None:
        """Finish deletes whose tombstone is durable and whose files are not in the trash."""

    def list_trash(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """Return the files of a photo in the trash, the latest day first."""

    def empty_trash(self, *, retention_days: int) -> int:
        """Remove files deleted before the retention; return the number of removed files."""


Store: TypeAlias = StoreOf[Any]


class OneByOne:
    """Batches of a store that gains nothing from them: each file waits in a thread of its own."""

    def batches_at_once(self, files: int) -> int:
        """Return the number of files."""
        return files

    def publish_many(self: Store, files: Sequence[InMemoryFile]) -> list[WriteOutcome]:
        """Publish small files one by one; return the outcome of each."""
        return [publish_in_memory(self, file) for file in files]


class SavesNothing:
    """A store that needs no summaries, and whose server verifies the bytes by itself."""

    def load_state(self, name: str) -> bytes:  # noqa: ARG002
        """Return nothing."""
        return b""

    def save_state(self, name: str, data: bytes) -> None:
        """Do nothing."""

    def check_summary(self, volume: VolumeId, shard: str, files: tuple[ListedFile, ...]) -> None:
        """Do nothing."""

    def look_again(self) -> None:
        """Do nothing."""

    def save_summaries(self) -> None:
        """Do nothing."""


def publish_in_memory(store: Store, file: InMemoryFile) -> WriteOutcome:
    """Publish one file from memory on the general path; return its outcome."""
    try:
        with store.staging(bytes_expected=len(file.data)) as staged:
            staged.write(file.data)
            return store.publish(
                staged, file.place, mtime_seconds=file.mtime_seconds, digest=file.digest
            )
    except NodeError as error:
        return error
