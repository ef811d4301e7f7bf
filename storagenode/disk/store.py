"""The store over a disk. All calls block and are thread-safe."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from permission_urls import TombstoneProofs
from runtime.crashpoint import crashpoint
from storagenode.disk import walking
from storagenode.disk.batches import BatchPublisher
from storagenode.disk.directories import VOLUMES_WITH_ALL_SHARDS_MAX, DurableDirectories
from storagenode.disk.filesystem import FileSystem
from storagenode.disk.health import DiskHealth
from storagenode.disk.lifecycle import tiering
from storagenode.disk.lifecycle.deletes import Deletes
from storagenode.disk.lifecycle.erasing import erase_files
from storagenode.disk.lifecycle.relinking import relink
from storagenode.disk.lifecycle.trash import empty_trash, trashed_files
from storagenode.disk.publishing import Publisher
from storagenode.disk.reading import (
    open_file,
    opened,
    read_sound,
    recorded_digest,
    recorded_digests,
)
from storagenode.disk.staging import StagedFile, empty_staging, staged
from storagenode.disk.volume_contents import VolumeContents
from storagenode.disk.volume_creation import create_volumes
from storagenode.open_file import OpenFile
from storagenode.protocol.batch_wire import InMemoryFile, WriteOutcome
from storagenode.protocol.errors import Conflict, Corrupt, NodeError, NotFound
from storagenode.protocol.files import Published
from storagenode.protocol.layout import (
    HINTS,
    SETTLED,
    Place,
    TrashedFile,
    directory_of,
    settled_versions,
)
from storagenode.store import Condition, Space, publish_in_memory
from storagenode.taken_names import refuse_tombstone, refuse_unproven
from volumes.cluster import NodeId
from volumes.cold_tier import ColdTier
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    SHARDS,
    Info,
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    VolumeId,
    volume_of,
)


class DiskStore(VolumeContents):
    """The files below one root. Every completed write is durable, bytes and name.

    With `may_sync_disk`, batches sync the whole disk, which should be the node's own.
    """

    def __init__(
        self,
        file_system: FileSystem,
        proofs: TombstoneProofs,
        *,
        may_sync_disk: bool = False,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(file_system, proofs)
        self.health = DiskHealth(file_system, self._volumes)
        self.leftovers = empty_staging(file_system)
        self._now_seconds = now_seconds
        self._directories = DurableDirectories(file_system, self.health.raise_if_emptied)
        self._publisher = Publisher(file_system, self._directories, proofs, now_seconds=now_seconds)
        self._deletes = Deletes(
            file_system, self._directories, self._publisher, self.health, now_seconds=now_seconds
        )
        self._opening = threading.Lock()
        for volume in self._volumes:
            self._directories.learn(str(volume))
        self._batches = BatchPublisher(
            file_system,
            self._publisher,
            self._directories,
            self.health,
            self._taking,
            may_sync_disk=may_sync_disk,
            now_seconds=now_seconds,
        )
        self._cold_tiers = tiering.read_cold_tiers(file_system, self._volumes)

    @property
    def volumes(self) -> tuple[VolumeId, ...]:
        """The volumes that this node mirrors, by their markers."""
        return tuple(sorted(self._volumes))

    def space(self) -> Space:
        """Return the space of the disk."""
        return self.file_system.space()

    @property
    def is_local(self) -> bool:
        """True: opening a file waits for no network."""
        return True

    def condition(self) -> Condition:
        """Return the write state of the disk."""
        return self.health.condition(unwritten_tombstones=len(self._publisher.unwritten))

    def is_intact(self) -> bool:
        """Return True if the root is still the one that was opened."""
        return self.file_system.is_intact()

    def open(self, path: str) -> OpenFile:
        """Open the file at a path; raise `DiskSuspect` if its whole volume is missing."""
        try:
            return open_file(self.file_system, path)
        except NotFound:
            self.health.raise_if_emptied(path)
            raise

    def create_volumes(self, volumes: Iterable[VolumeId]) -> None:
        """Make this node a mirror of volumes: their markers, and the shards of its first few.

        Others are created with their first files: many at once delay the fsyncs of uploads.
        """
        with self._opening, self._writing():
            new = sorted(set(volumes) - self._volumes)
            is_small = not self._volumes and len(new) <= VOLUMES_WITH_ALL_SHARDS_MAX
            create_volumes(
                self.file_system,
                self._directories,
                new,
                SHARDS if is_small else (),
                mtime_seconds=int(self._now_seconds()),
            )
            self._volumes.update(new)
            self._taking.update(new)

    def drop_volume(self, volume: VolumeId, digest: str) -> None:
        """Move a volume that the map gives to other nodes to the trash, if it has this digest."""
        with self._opening, self._writing():
            if volume in self._taking:
                raise Conflict(f"volume {volume} is on this node by its map; it stays")
            if volume not in self._volumes:
                return
            if (found := self.volume_summary(volume).digest) != digest:
                raise Conflict(f"volume {volume} has the digest {found} by now; it stays")
            # Only once all its files have moved: a volume that is not held gets no deletes.
            self._deletes.drop_volume(volume)
            self._volumes.discard(volume)
            self._cold_tiers.pop(volume, None)

    @contextlib.contextmanager
    def staging(self, *, bytes_expected: int) -> Iterator[StagedFile]:
        """Yield a hidden file to write and publish; discard it at the end if it is unpublished.

        `bytes_expected` is 0 if the length is unknown.
        """
        with self._writing():
            self.health.check_free_space(bytes_expected)
            with staged(self.file_system) as file:
                yield file

    def publish(
        self, file: StagedFile, place: Place, *, mtime_seconds: int, digest: str
    ) -> Published:
        """Seal and publish a staged file. Its bytes and its name are durable on return."""
        refuse_tombstone(place)
        with self._writing():
            self._require_taking(place)
            file.seal(mtime_seconds=mtime_seconds, digest=digest)
            (published,) = self._publish_sealed([(file, place)])
            # A drop can have moved the files of the volume meanwhile, and not this one.
            self._require_taking(place)
            return published

    def batches_at_once(self, files: int) -> int:
        """Return how many batches are best published at once, for a number of small files."""
        return self._batches.at_once(files)

    def publish_many(self, files: Sequence[InMemoryFile]) -> list[WriteOutcome]:
        """Publish small files that share their waits for the disk; return the outcome of each."""
        outcomes = zip(files, self._batches.publish(files), strict=True)
        return [outcome or publish_in_memory(self, file) for file, outcome in outcomes]

    def publish_bundle(
        self, files: Sequence[tuple[Place, bytes, str]], *, mtime_seconds: int
    ) -> tuple[Published, ...]:
        """Publish the sizes of one version, given by place, bytes, and digest in any order.

        The info is linked only after the other files are durable, because it promises that.
        """
        infos: list[tuple[StagedFile, Place]] = []
        others: list[tuple[StagedFile, Place]] = []
        with contextlib.ExitStack() as stack, self._writing():
            self.health.check_free_space(sum(len(data) for _, data, _ in files))
            for place, data, digest in files:
                refuse_tombstone(place)
                self._require_taking(place)
                file = stack.enter_context(staged(self.file_system))
                file.write(data)
                file.seal(mtime_seconds=mtime_seconds, digest=digest)
                (infos if isinstance(place.file, Info) else others).append((file, place))
            # Without the lock, another bundle could replace these sizes before their info exists.
            with self._publisher.photo_lock(files[0][0].file):
                self._publisher.raise_if_info_differs(files)
                published = self._publish_sealed(others) + self._publish_sealed(infos)
            for place, _, _ in files:
                self._require_taking(place)
            return published

    def write_tombstone(self, place: Place, *, mtime_seconds: int, proof: str) -> Published:
        """Write a permanent tombstone and move the files that it covers to the trash.

        This works on a full disk, because a tombstone is an empty file. Even if the disk stores no
        tombstone, the node refuses the covered files until its process ends.
        """
        assert isinstance(place.file, PhotoTombstone | VersionTombstone)
        refuse_unproven(self._publisher.proofs, place, proof)
        self._require_mirror(place)
        try:
            with self._writing(), staged(self.file_system) as file:
                file.proof = proof
                file.seal(mtime_seconds=mtime_seconds, digest=file.digest)
                crashpoint("tombstone_synced")
                (published,) = self._publish_sealed([(file, place)])
        except NodeError:
            if place.hint_for is None:
                self._publisher.unwritten.add(place.file, mtime_seconds, proof)
            raise
        if place.hint_for is None:
            self._publisher.unwritten.discard(place.file)
        return published

    def digests(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, str]:
        """Return the recorded digest of each existing file, without listing directories."""
        for file in files:
            self._require_mirror(Place(file))
        return recorded_digests(self.file_system, files)

    def read_all(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, tuple[bytes, str]]:
        """Return the bytes and digest of each small file that exists and is sound."""
        return read_sound(self.file_system, files)

    @property
    def cold_tiers(self) -> dict[VolumeId, ColdTier]:
        """The cold tier of each offloaded volume."""
        return dict(self._cold_tiers)

    def set_cold_tier(self, volume: VolumeId, cold_tier: ColdTier | None) -> None:
        """Record the cold tier of a volume durably, or remove it."""
        self._require_volume(volume)
        with self._opening, self._writing():
            if cold_tier is None:
                tiering.remove_cold_tier(self.file_system, volume)
                self._cold_tiers.pop(volume, None)
            else:
                now = int(self._now_seconds())
                tiering.write_cold_tier(self.file_system, volume, cold_tier, mtime_seconds=now)
                self._cold_tiers[volume] = cold_tier

    def drop_copy(self, place: Place, digest: str, *, node: NodeId) -> None:
        """Move a copy of a file that the cold nodes store to the trash of this `node`."""
        tiering.check_droppable(place, self._cold_tiers.get(volume_of(place.file)), node)
        with self._writing():
            self._deletes.drop_copy(place, digest)

    def settled(self) -> tuple[str, ...]:
        """Return the versions with an original in the quarantine that gave way to another."""
        return settled_versions(walking.names_in(self.file_system, SETTLED))

    def remove_hint(self, place: Place) -> None:
        """Remove a hint after its delivery."""
        assert place.hint_for is not None, "only hints can be removed"
        with self._writing(), contextlib.suppress(FileNotFoundError):
            self.file_system.unlink(place.path)
            # Each count of hints would walk through a thousand empty directories.
            self._directories.remove_empty_parents_of(place.path, below=HINTS)

    def find(self, photo: str) -> list[str]:
        """Return every path of a photo on this node, in any area, sorted."""
        return walking.find_files(self.file_system, self.volumes, photo)

    def quarantine(
        self, place: Place, *, inode: int | None = None, digest: str | None = None
    ) -> str | None:
        """Quarantine a file; return its new path, or None if it no longer exists.

        With the `inode` that was read, or with a recorded `digest`, another file that has the name
        by now is not affected.
        """
        with self._writing(), self._publisher.photo_lock(place.file):
            try:
                found = self.file_system.stat(place.path).inode
                recorded = recorded_digest(self.file_system, place.path)
            except FileNotFoundError:
                return None
            if inode not in {None, found} or digest not in {None, recorded}:
                return None
            target = self._publisher.add_to_quarantine(place, is_requested=digest is not None)
            # An operator can remove a hint meanwhile.
            with contextlib.suppress(FileNotFoundError):
                self.file_system.unlink(place.path)
                self.file_system.fsync_directory(directory_of(place.path))
        return target

    def relink(
        self, photo_version: PhotoVersion, version: Version, *, original_only: bool = False
    ) -> tuple[str, ...]:
        """Link every file of a version under another version, as `relinking.relink` does."""
        with self._writing():
            self._require_volume(photo_version.volume)
            return relink(
                self.file_system,
                self._publisher,
                photo_version,
                version,
                add_to_quarantine=self.quarantine,
                original_only=original_only,
                is_offloaded=photo_version.volume in self._cold_tiers,
            )

    def restore_digest(self, place: Place, digest: str) -> str:
        """Record the digest of a file that has none; return its digest."""
        with self._writing(), opened(self.file_system, place.path) as file:
            found = file.compute_digest()
            wanted = file.digest or digest or found
            if found == wanted and file.digest is None:
                self.file_system.set_digest(file.handle, found)
                self.file_system.fsync(file.handle)
                self._forget_summary(place)
        if found != wanted:
            self.quarantine(place, inode=file.stat.inode)
            raise Corrupt(f"{place} has SHA-256 {found} instead of {wanted}; it was quarantined")
        return found

    def save_state(self, name: str, data: bytes) -> None:
        """Save a state of the upkeep. A crash can lose it."""
        if self.condition().accepts_new_photos:
            with self._writing(), staged(self.file_system) as file:
                file.write(data)
                file.seal(mtime_seconds=int(self._now_seconds()), digest=file.digest)
                file.rename(name)

    def save_summaries(self) -> None:
        """Save the summaries of the shards that changed, unless the disk takes no writes."""
        if self.condition().accepts_new_photos:
            for volume in self._summaries.unsaved():
                with self._writing():
                    self._summaries.save(volume, mtime_seconds=int(self._now_seconds()))

    def list_trash(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """Return the files of a photo in the trash, the latest day first."""
        return trashed_files(self.file_system, volume, photo)

    def erase(self, tombstone: PhotoTombstone | VersionTombstone, *, proof: str) -> list[str]:
        """Remove a deleted photo from every area; return the removed paths."""
        refuse_unproven(self._publisher.proofs, Place(tombstone), proof)
        with self._writing(), self._publisher.photo_lock(tombstone):
            return erase_files(self.file_system, tombstone)

    def empty_trash(self, *, retention_days: int) -> int:
        """Unlink files deleted before the retention; return their number."""
        self.health.check_writable()
        return empty_trash(
            self.file_system, now_seconds=self._now_seconds(), retention_days=retention_days
        )

    def finish_deletes(self) -> None:
        """Write the tombstones and move the files to the trash that the disk refused before."""
        for tombstone, mtime_seconds, proof in self._publisher.unwritten.items():
            with contextlib.suppress(NodeError):
                self.write_tombstone(Place(tombstone), mtime_seconds=mtime_seconds, proof=proof)
        if not self.health.suspect_reason:
            self._deletes.finish()

    def raise_if_deleted(self, file: PhotoFile) -> None:
        """Raise `Gone` or `UnprovenTombstone` if a tombstone covers this file."""
        self._publisher.raise_if_deleted_cached(file)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        self.health.check_writable()
        with self.health.translate_write_errors():
            yield

    def _publish_sealed(self, files: Sequence[tuple[StagedFile, Place]]) -> tuple[Published, ...]:
        """Publish sealed files, and move the files that a tombstone covers to the trash."""
        published = self._publisher.publish(files)
        for _, place in files:
            if isinstance(place.file, PhotoTombstone | VersionTombstone) and not place.hint_for:
                crashpoint("before_unlink")
                self._deletes.trash_covered_files(place.file)
        return published
