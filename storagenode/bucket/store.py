"""The store over a bucket, where each file is an object."""

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from permission_urls import TombstoneProofs
from storagenode.bucket.areas import erase_objects, find_objects
from storagenode.bucket.bucket import Bucket
from storagenode.bucket.dropping import move_objects_to_trash
from storagenode.bucket.health import BucketHealth
from storagenode.bucket.held_volumes import HeldVolumes
from storagenode.bucket.hints import BucketHints
from storagenode.bucket.listing import BucketListings
from storagenode.bucket.publishing import BucketPublisher
from storagenode.bucket.reading import identity_of, open_object
from storagenode.bucket.relinking import relink_objects
from storagenode.bucket.staging import SpooledFile, spooled, translate_temporary_disk_errors
from storagenode.bucket.trash import empty_bucket_trash, trashed_objects
from storagenode.bucket.volume_contents import BucketContents
from storagenode.disk.lifecycle.tiering import check_droppable, check_same_copy
from storagenode.open_file import OpenFile
from storagenode.protocol.errors import (
    Conflict,
    Corrupt,
    DigestMismatch,
    NotAMirror,
    NotFound,
)
from storagenode.protocol.files import Published
from storagenode.protocol.layout import (
    TOMBSTONE_BYTES,
    HintFile,
    Place,
    TrashedFile,
    cold_tier_marker,
)
from storagenode.store import Condition, OneByOne, SavesNothing, Space
from storagenode.taken_names import refuse_tombstone, refuse_unproven
from volumes.cluster import NodeId
from volumes.cold_tier import ColdTier, parse_cold_tier, render_cold_tier
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    Info,
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    VolumeId,
    render_path,
    shard_of,
    volume_of,
)

log = logging.getLogger(__name__)

# A bucket has no size limit, but placement weighs nodes by their free space.
NOMINAL_FREE_BYTES = 1 << 50


class BucketStore(OneByOne, SavesNothing, BucketContents):
    """The files below one prefix of a bucket. Every completed write is stored there."""

    def __init__(
        self,
        bucket: Bucket,
        health: BucketHealth,
        proofs: TombstoneProofs,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self.bucket = bucket
        self.health = health
        self._now_seconds = now_seconds
        self._proofs = proofs
        self._listings = BucketListings(bucket, proofs, now_seconds=now_seconds)
        self._publisher = BucketPublisher(bucket, self._listings, proofs, now_seconds=now_seconds)
        self.settled = self._publisher.settled
        self._held = HeldVolumes(bucket, now_seconds=now_seconds)
        self._cold_tiers = self._find_cold_tiers()
        self._hints = BucketHints(bucket)

    @property
    def volumes(self) -> tuple[VolumeId, ...]:
        """The volumes that this node mirrors, by their markers."""
        return tuple(self._held)

    @property
    def is_local(self) -> bool:
        """False: every call waits for the network."""
        return False

    def space(self) -> Space:
        """Return a nominal space, because a bucket has no limit."""
        return Space(NOMINAL_FREE_BYTES, NOMINAL_FREE_BYTES, 0, 0)

    def condition(self) -> Condition:
        """Return the last known write state of the bucket."""
        return self.health.condition()

    def is_intact(self) -> bool:
        """Return True if the bucket had this node's marker at the last probe."""
        return self.health.is_intact

    def create_volumes(self, volumes: Iterable[VolumeId]) -> None:
        """Make this node a mirror of volumes, if it is not yet."""
        self.health.check_marker()
        self._held.create(volumes)

    def take_only(self, volumes: Collection[VolumeId]) -> None:
        """Take new files of these volumes only. Others of the bucket take tombstones."""
        self._held.take_only(volumes)

    def drop_volume(self, volume: VolumeId, digest: str) -> None:
        """Move a volume that the map gives to other nodes to the trash, if it has this digest."""
        self.health.check_marker()
        if volume not in self._held:
            return
        with self._held.dropping(volume) as raise_if_needed:
            self._listings.list_again(volume)
            if (found := self.volume_summary(volume).digest) != digest:
                raise Conflict(f"volume {volume} has the digest {found} by now; it stays")
            move_objects_to_trash(
                self.bucket, self._publisher, volume, raise_if_needed=raise_if_needed
            )
        self._cold_tiers.pop(volume, None)

    @contextlib.contextmanager
    def staging(self, *, bytes_expected: int) -> Iterator[SpooledFile]:
        """Yield a spooled file to write and publish; discard it when the block exits."""
        del bytes_expected  # a full temporary disk raises an error
        self.health.check_marker()
        with translate_temporary_disk_errors(), spooled() as file:
            yield file

    def publish(
        self, file: SpooledFile, place: Place, *, mtime_seconds: int, digest: str
    ) -> Published:
        """Publish a spooled file. The bucket has stored it on return."""
        refuse_tombstone(place)
        self._held.require_taking(place)
        if file.digest != digest:
            raise DigestMismatch(
                f"digest mismatch: received SHA-256 {file.digest}, expected {digest}"
            )
        return self._publish([(file, place)], mtime_seconds)[0]

    def publish_bundle(
        self, files: Sequence[tuple[Place, bytes, str]], *, mtime_seconds: int
    ) -> tuple[Published, ...]:
        """Publish the sizes of one version, the info after the other files."""
        with contextlib.ExitStack() as stack:
            ready: list[tuple[SpooledFile, Place]] = []
            for place, data, digest in files:
                refuse_tombstone(place)
                self._held.require_taking(place)
                file = stack.enter_context(spooled(data))
                if file.digest != digest:
                    raise DigestMismatch(
                        f"digest mismatch: {place} has SHA-256 {file.digest}, expected {digest}"
                    )
                ready.append((file, place))
            infos = [pair for pair in ready if isinstance(pair[1].file, Info)]
            others = [pair for pair in ready if not isinstance(pair[1].file, Info)]
            self._publisher.raise_if_info_differs(files)
            return self._publish(others, mtime_seconds) + self._publish(infos, mtime_seconds)

    def write_tombstone(self, place: Place, *, mtime_seconds: int, proof: str) -> Published:
        """Write a permanent tombstone and move the files that it covers to the trash."""
        refuse_unproven(self._proofs, place, proof)
        self._held.require_mirror(place)
        with spooled(TOMBSTONE_BYTES) as file:
            file.proof = proof
            return self._publish([(file, place)], mtime_seconds)[0]

    def raise_if_deleted(self, file: PhotoFile) -> None:
        """Raise `Gone` or `UnprovenTombstone` if a tombstone covers this file."""
        self._publisher.raise_if_deleted(file)

    def open(self, path: str) -> OpenFile:
        """Open the file at a path. The caller closes it."""
        return open_object(self.bucket, path)

    def digests(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, str]:
        """Return the recorded digest of each existing file."""
        for file in files:
            self._held.require_mirror(Place(file))
        heads = self.bucket.map_parallel(self.bucket.head, map(render_path, files))
        found = zip(files, heads, strict=True)
        return {file: head.digest or "" for file, head in found if head is not None}

    def read_all(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, tuple[bytes, str]]:
        """Return the bytes and digest of each small file that exists and is sound."""
        contents = self.bucket.map_parallel(self._read_sound, map(render_path, files))
        found = zip(files, contents, strict=True)
        return {file: content for file, content in found if content is not None}

    @property
    def cold_tiers(self) -> dict[VolumeId, ColdTier]:
        """The cold tier of each offloaded volume."""
        return dict(self._cold_tiers)

    def set_cold_tier(self, volume: VolumeId, cold_tier: ColdTier | None) -> None:
        """Record the cold tier of a volume, or remove it."""
        self.health.check_marker()
        self._held.require(volume)
        if cold_tier is None:
            self.bucket.delete(cold_tier_marker(volume))
            self._cold_tiers.pop(volume, None)
            return
        with spooled(render_cold_tier(cold_tier).encode()) as file:
            self.bucket.put(
                cold_tier_marker(volume),
                file.file,
                digest=file.digest,
                mtime_seconds=int(self._now_seconds()),
                only_if_new=False,
            )
        self._cold_tiers[volume] = cold_tier

    def drop_copy(self, place: Place, digest: str, *, node: NodeId) -> None:
        """Move a copy of a file that the cold nodes store to the trash of this `node`."""
        check_droppable(place, self._cold_tiers.get(volume_of(place.file)), node)
        self.health.check_marker()
        metadata = self.bucket.head(place.path)
        if metadata is not None:
            check_same_copy(place, metadata.digest or "", digest)
            self._publisher.move_to_trash([place.path])

    def finish_deletes(self) -> None:
        """Finish deletes whose tombstone is stored and whose files are not in the trash."""
        self._publisher.finish_deletes()

    def list_hints(self, limit: int, *, mirror: NodeId | None = None) -> list[HintFile]:
        """Return up to `limit` hints, for all mirrors or for one."""
        return self._hints.files(lambda place: mirror in {None, place.hint_for}, limit=limit)

    def list_photo_hints(self, volume: VolumeId, photo: PhotoId) -> list[HintFile]:
        """Return the hints of one photo, for any mirror."""
        start = f"{volume}/{shard_of(photo)}/{photo}"
        return self._hints.files(lambda place: render_path(place.file).startswith(start))

    def count_hints(self, limit: int) -> int:
        """Return the number of hints, counted up to `limit`."""
        return min(len(self._hints), limit)

    def remove_hint(self, place: Place) -> None:
        """Remove a hint after its delivery."""
        assert place.hint_for is not None, "only hints can be removed"
        self.health.check_marker()
        self.bucket.delete(place.path)
        self._hints.discard(place)

    def find(self, photo: str) -> list[str]:
        """Return every path of a photo in this store, in any area, sorted."""
        return find_objects(self.bucket, self.volumes, self._hints.paths(), photo)

    def mark_unverified(self, place: Place) -> None:
        """Mark a file as unverified, so that the next reconcile pass checks it."""
        self._publisher.mark_unverified(place.path)

    def quarantine(
        self, place: Place, *, inode: int | None = None, digest: str | None = None
    ) -> str | None:
        """Quarantine a file; return its new path, or None if it no longer exists.

        With the `inode` that was read, the file is read again first, because the bytes can
        have been corrupted in transit.
        """
        self.health.check_marker()
        metadata = self.bucket.head(place.path)
        if metadata is None or inode not in {None, identity_of(metadata.etag)}:
            return None
        if digest not in {None, metadata.digest}:
            return None
        if inode is not None:
            with contextlib.closing(self.open(place.path)) as file:
                if file.compute_digest() == file.digest:
                    log.warning("%s was corrupted in transit once; the object is sound", place)
                    return None
        target = self._publisher.add_to_quarantine(place, is_requested=digest is not None)
        self.bucket.delete(place.path)
        self._hints.discard(place)
        if place.hint_for is None:
            self._publisher.mark_changed(place.path)
        return target

    def relink(
        self, photo_version: PhotoVersion, version: Version, *, original_only: bool = False
    ) -> tuple[str, ...]:
        """Copy every file of a version to its name under another version."""
        self.health.check_marker()
        self._held.require(photo_version.volume)
        return relink_objects(
            self.bucket,
            self._publisher,
            photo_version,
            version,
            original_only=original_only,
            is_offloaded=photo_version.volume in self._cold_tiers,
        )

    def restore_digest(self, place: Place, digest: str) -> str:
        """Record the digest of a file that has none; return its digest."""
        self.health.check_marker()
        with contextlib.closing(self.open(place.path)) as file:
            found = file.compute_digest()
        wanted = file.digest or digest or found
        if found != wanted:
            self.quarantine(place, inode=file.stat.inode)
            raise Corrupt(f"{place} has SHA-256 {found} instead of {wanted}; it was quarantined")
        if file.digest is None:
            mtime = file.stat.mtime_seconds
            self.bucket.copy(place.path, place.path, digest=found, mtime_seconds=mtime)
            if place.hint_for is None:
                self._publisher.mark_changed(place.path)
        return found

    def list_trash(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """Return the files of a photo in the trash, the latest day first."""
        return trashed_objects(self.bucket, volume, photo)

    def erase(self, tombstone: PhotoTombstone | VersionTombstone, *, proof: str) -> list[str]:
        """Remove a deleted photo from every area, with all versions; return the removed paths."""
        refuse_unproven(self._proofs, Place(tombstone), proof)
        self.health.check_marker()
        erased = erase_objects(self.bucket, tombstone)
        self._hints.forget(erased)
        self._publisher.mark_changed(render_path(tombstone))
        return erased

    def empty_trash(self, *, retention_days: int) -> int:
        """Remove files deleted before the retention; return their number."""
        self.health.check_marker()
        return empty_bucket_trash(
            self.bucket, now_seconds=self._now_seconds(), retention_days=retention_days
        )

    def _publish(
        self, files: Sequence[tuple[SpooledFile, Place]], mtime_seconds: int
    ) -> tuple[Published, ...]:
        self.health.check_marker()
        published = self._publisher.publish(files, mtime_seconds=mtime_seconds)
        try:
            # A drop lists the volume when it takes no files. One of the two sees the other.
            for _, place in files:
                self._held.require_taking(place)
        except NotAMirror:
            if volume_of(files[0][1].file) not in self._held:
                self._publisher.delete_new(published)
            raise
        self._hints.add(place for _, place in files)
        return published

    def _read_sound(self, path: str) -> tuple[bytes, str] | None:
        try:
            with contextlib.closing(self.open(path)) as file:
                return file.read(), file.digest or ""
        except (NotFound, Corrupt):
            return None

    def _find_cold_tiers(self) -> dict[VolumeId, ColdTier]:
        texts = {v: self.bucket.read_whole(cold_tier_marker(v)) for v in self._held}
        return {volume: parse_cold_tier(text) for volume, text in texts.items() if text}
