"""Publishing in a bucket: never over a sound file, never past a tombstone.

Nothing is locked. A conditional put creates a name once. A writer of a file looks for tombstones
after its put, and a writer of a tombstone looks for files after its put. One of the two sees the
other, in any process. In the same way, a writer of an original looks for originals of other formats
after its put. A move is a copy followed by a delete.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Sequence

from permission_urls import TombstoneProofs
from storagenode.bucket.bucket import Bucket
from storagenode.bucket.errors import ObjectExists
from storagenode.bucket.listing import BucketListings
from storagenode.bucket.reading import open_object
from storagenode.bucket.staging import SpooledFile
from storagenode.protocol.errors import (
    Conflict,
    Gone,
    NodeError,
    NotFound,
)
from storagenode.protocol.files import Published
from storagenode.protocol.layout import (
    SETTLED,
    Place,
    covered_by,
    hint_path,
    quarantine_path,
    settled_versions,
    trash_path,
)
from storagenode.taken_names import (
    Resolution,
    deleted_error,
    raise_if_of_another,
    resolve_taken_name,
    resolve_taken_tombstone,
    rival_paths,
    seconds_after_damage,
)
from volumes.cluster import NodeId
from volumes.photo_path import (
    Info,
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    VolumeId,
    render_path,
    tombstone_paths,
)

log = logging.getLogger(__name__)


class BucketPublisher:
    """Publisher of files in a bucket."""

    def __init__(
        self,
        bucket: Bucket,
        listings: BucketListings,
        proofs: TombstoneProofs,
        *,
        now_seconds: Callable[[], float],
    ) -> None:
        self._bucket = bucket
        self._listings = listings
        self._proofs = proofs
        self._now_seconds = now_seconds
        self._unfinished: set[PhotoTombstone | VersionTombstone] = set()
        self._settled = [each.path for each in bucket.objects(SETTLED)]

    def publish(
        self, files: Sequence[tuple[SpooledFile, Place]], *, mtime_seconds: int
    ) -> tuple[Published, ...]:
        """Publish the files of one version and return when all are stored.

        Raises:
            Gone: A tombstone covers them.
            Conflict: The name of a variant holds other bytes, which are sound and finished, or the
                version has an original of another format.
        """
        kinds = {_version_at(place): place for _, place in files}
        for place in kinds.values():
            self.raise_if_deleted(place.file, hint_for=place.hint_for)
        published = tuple(self._give_name(file, place, mtime_seconds) for file, place in files)
        try:
            for place in kinds.values():
                self.raise_if_deleted(place.file, hint_for=place.hint_for)
            for _, place in files:
                self._raise_if_rival(place)
        except (Gone, Conflict):
            self.delete_new(published)
            raise
        for _, place in files:
            if isinstance(place.file, PhotoTombstone | VersionTombstone) and not place.hint_for:
                self.trash_covered_files(place.file)
        return published

    def trash_covered_files(self, tombstone: PhotoTombstone | VersionTombstone) -> None:
        """Move the files that a stored tombstone covers to the trash.

        A failure is not one of the delete, because no covered file is served any more.
        `finish_deletes` retries the move. After a restart, reconcile deletes the files again.
        """
        directory, prefix = covered_by(tombstone)
        try:
            self.move_to_trash(
                [
                    each.path
                    for each in self._bucket.objects(f"{directory}/{prefix}")
                    if not each.path.endswith(".gone")
                ]
            )
        except NodeError as error:
            log.warning(
                "files of %s were not moved to the trash: %s", render_path(tombstone), error
            )
            self._unfinished.add(tombstone)
        else:
            self._unfinished.discard(tombstone)

    def finish_deletes(self) -> None:
        """Retry the moves to the trash that failed."""
        for tombstone in tuple(self._unfinished):
            self.trash_covered_files(tombstone)

    def move_to_trash(self, paths: Sequence[str]) -> None:
        """Move objects of one shard to the trash."""
        day = time.strftime("%Y-%m-%d", time.gmtime(self._now_seconds()))

        def move(path: str) -> None:
            # Another storagemaster can write a tombstone of the same photo.
            with contextlib.suppress(NotFound):
                self._bucket.copy(path, trash_path(day, path))
                self._bucket.delete(path)

        try:
            self._bucket.map_parallel(move, paths)
        finally:
            for path in paths[:1]:
                self.mark_changed(path)

    def raise_if_deleted(self, file: PhotoFile, *, hint_for: NodeId | None = None) -> None:
        """Raise `Gone` if a tombstone covers this file.

        For a hint, hinted tombstones for the same mirror count as well.

        Raises:
            UnprovenTombstone: The tombstone has no valid proof.
        """
        if isinstance(file, PhotoTombstone | VersionTombstone):
            return
        path_at = {path: path for path in tombstone_paths(file.photo_version)}
        if hint_for is not None:
            path_at |= {hint_path(hint_for, path): path for path in path_at}
        found = self._bucket.map_parallel(self._bucket.head, path_at)
        for (place, path), metadata in zip(path_at.items(), found, strict=True):
            if metadata is not None:
                proof = metadata.digest or ""
                raise deleted_error(self._proofs, file, path=path, place=place, proof=proof)

    def raise_if_info_differs(self, files: Sequence[tuple[Place, bytes, str]]) -> None:
        """Raise `Conflict` if the version of an info has another info, or another original."""
        for place, info, digest in files:
            if not isinstance(place.file, Info):
                continue
            if self._digest_at(place) not in {None, digest}:
                raise Conflict(f"{place} exists and lists other sizes")
            raise_if_of_another(info, place, digest_of=self._digest_at)

    def _digest_at(self, place: Place) -> str | None:
        """Return the recorded digest of a file, "" without one, and None without a file."""
        found = self._bucket.head(place.path)
        return (found.digest or "") if found is not None else None

    def _raise_if_rival(self, place: Place) -> None:
        """Raise `Conflict` if the version has an original of another format."""
        rivals = rival_paths(place)
        if not rivals:
            return
        for found in self._bucket.objects(place.path.rpartition(".")[0]):
            if found.path in rivals:
                raise Conflict(f"{place} cannot be stored: {found.path} is the original")

    def add_to_quarantine(self, place: Place, *, is_requested: bool = False) -> str:
        """Copy an object to the quarantine and return its path there."""
        unique = f"{self._now_seconds():.6f}"
        target = quarantine_path(place, unique=unique, is_requested=is_requested)
        self._bucket.copy(place.path, target)
        if target.startswith(SETTLED):
            self._settled.append(target)
        return target

    def settled(self) -> tuple[str, ...]:
        """Return the versions with an original in the quarantine that gave way to another."""
        return settled_versions(self._settled)

    def mark_changed(self, path: str) -> None:
        """Mark the shard of a photo path as changed."""
        volume, shard, _ = path.split("/")
        self._listings.mark_changed(VolumeId(int(volume)), shard)

    def mark_unverified(self, path: str) -> None:
        """Drop the cached digest of a photo path."""
        volume, shard, _ = path.split("/")
        self._listings.mark_unverified(VolumeId(int(volume)), shard, path)

    def _give_name(self, file: SpooledFile, place: Place, mtime_seconds: int) -> Published:
        try:
            try:
                self._put(file, place.path, mtime_seconds, only_if_new=True)
            except ObjectExists:
                return self._resolve_existing(file, place, mtime_seconds)
        finally:
            # Also after a failure, because the bucket can have stored the file.
            if place.hint_for is None:
                self.mark_changed(place.path)
        return Published(place.path, file.digest, file.bytes, mtime_seconds, existed=False)

    def _resolve_existing(self, file: SpooledFile, place: Place, mtime_seconds: int) -> Published:
        if file.proof:
            return self._resolve_tombstone(file, place, mtime_seconds)
        with contextlib.closing(open_object(self._bucket, place.path)) as existing:
            found = existing.compute_digest()
        resolution = resolve_taken_name(
            file,
            place,
            found=found,
            recorded=existing.digest,
            is_earlier=mtime_seconds < existing.stat.mtime_seconds,
            exists=lambda other: self._bucket.head(other.path) is not None,
        )
        if resolution is Resolution.KEEP:
            return Published(
                place.path, found, existing.stat.bytes, existing.stat.mtime_seconds, existed=True
            )
        if resolution is Resolution.QUARANTINE_AND_REPLACE:
            self.add_to_quarantine(place)
            mtime_seconds = seconds_after_damage(
                file,
                staged_seconds=mtime_seconds,
                existing_seconds=existing.stat.mtime_seconds,
                recorded=existing.digest,
            )
        self._put(file, place.path, mtime_seconds, only_if_new=False)
        existed = found == existing.digest == file.digest
        return Published(place.path, file.digest, file.bytes, mtime_seconds, existed=existed)

    def _resolve_tombstone(self, file: SpooledFile, place: Place, mtime_seconds: int) -> Published:
        with contextlib.closing(open_object(self._bucket, place.path)) as existing:
            mtime, recorded = existing.stat.mtime_seconds, existing.digest or ""
            existing_bytes = existing.stat.bytes
        is_genuine = self._proofs.is_genuine(render_path(place.file), recorded)
        resolution = resolve_taken_tombstone(
            is_genuine=is_genuine,
            existing_bytes=existing_bytes,
            seconds_later=mtime - mtime_seconds,
        )
        if resolution is Resolution.REPLACE:
            self._put(file, place.path, mtime_seconds, only_if_new=False)
            mtime = mtime_seconds
        return Published(place.path, file.digest, file.bytes, mtime, existed=is_genuine)

    def _put(self, file: SpooledFile, path: str, mtime_seconds: int, *, only_if_new: bool) -> None:
        etag = self._bucket.put(
            path,
            file.file,
            digest=file.proof or file.digest,
            mtime_seconds=mtime_seconds,
            only_if_new=only_if_new,
        )
        self._listings.learn(path, etag, file.proof or file.digest)

    def delete_new(self, published: Sequence[Published]) -> None:
        """Delete new files that lost to a tombstone, another original, or a drop of their volume.

        A tombstone that was written meanwhile has moved the older files.
        """
        for each in published:
            if not each.existed:
                self._bucket.delete(each.path)


def _version_at(place: Place) -> tuple[PhotoVersion | None, NodeId | None]:
    """Return the key of files that a tombstone covers together."""
    return None if isinstance(
        place.file, PhotoTombstone
    ) else place.file.photo_version, place.hint_for
