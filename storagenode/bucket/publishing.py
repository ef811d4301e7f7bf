"""Giving a file its name in a bucket: never over another, never past a tombstone.

There is no lock. A name is given once by a conditional put. Whoever writes a file looks for
tombstones after it, and whoever writes a tombstone looks for files after it: one of the two sees
the other, in whatever process they are. What is moved is copied, and only then deleted.
"""

import contextlib
import time
from collections.abc import Callable, Sequence

from storagenode.bucket.bucket import Bucket
from storagenode.bucket.errors import ObjectExists
from storagenode.bucket.listing import BucketListings
from storagenode.bucket.reading import open_object
from storagenode.bucket.staging import SpooledFile
from storagenode.protocol.errors import Conflict, Gone, NotFound
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place, covered_by, hint_path, quarantine_path, trash_path
from storagenode.taken_names import Resolution, resolve_taken_name
from volumes.cluster import NodeId
from volumes.photo_path import (
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    VolumeId,
    render_path,
    tombstone_paths,
)


class BucketPublisher:
    """Puts files at their names, and takes them away again."""

    def __init__(
        self, bucket: Bucket, listings: BucketListings, *, now_seconds: Callable[[], float]
    ) -> None:
        self._bucket = bucket
        self._listings = listings
        self._now_seconds = now_seconds

    def publish(
        self, files: Sequence[tuple[SpooledFile, Place]], *, mtime_seconds: int
    ) -> tuple[Published, ...]:
        """Give files of one version their names, and return when all of them are kept.

        Raises:
            Gone: A tombstone covers them.
            Conflict: The name of a variant is taken by other, sound bytes that are finished.
        """
        kinds = {_version_at(place): place for _, place in files}
        for place in kinds.values():
            self.raise_if_deleted(place.file, hint_for=place.hint_for)
        published = tuple(self._give_name(file, place, mtime_seconds) for file, place in files)
        for place in kinds.values():
            try:
                self.raise_if_deleted(place.file, hint_for=place.hint_for)
            except Gone:
                self._take_back(published)
                raise
        for _, place in files:
            if isinstance(place.file, PhotoTombstone | VersionTombstone) and not place.hint_for:
                self._trash_what_is_covered(place.file)
        return published

    def raise_if_deleted(self, file: PhotoFile, *, hint_for: NodeId | None = None) -> None:
        """Raise `Gone` if a tombstone covers this file.

        For a file held for another node, a tombstone held for it counts too.
        """
        if isinstance(file, PhotoTombstone | VersionTombstone):
            return
        paths = [*tombstone_paths(file.photo_version)]
        if hint_for is not None:
            paths += [hint_path(hint_for, path) for path in paths]
        notes = self._bucket.map_parallel(self._bucket.head, paths)
        for path, note in zip(paths, notes, strict=True):
            if note is not None:
                raise Gone(f"{render_path(file)} is gone: {path} says so")

    def raise_if_info_differs(self, infos: Sequence[tuple[SpooledFile, Place]]) -> None:
        """Raise `Conflict` if a version has an info of other bytes, which tells of other sizes."""
        for info, place in infos:
            there = self._bucket.head(place.path)
            if there is not None and there.digest != info.digest:
                raise Conflict(f"{place} is there already, and tells of other sizes")

    def add_to_quarantine(self, path: str) -> str:
        """Give an object a second name in the quarantine, and return it."""
        aside = quarantine_path(path, unique=f"{self._now_seconds():.6f}")
        self._bucket.copy(path, aside)
        return aside

    def mark_changed(self, path: str) -> None:
        """Have the listings know that there is, or may be, a change at a photo path."""
        volume, shard, _ = path.split("/")
        self._listings.changed(VolumeId(int(volume)), shard)

    def mark_unverified(self, path: str) -> None:
        """Have the listings ask for the digest of a photo path again."""
        volume, shard, _ = path.split("/")
        self._listings.mark_unverified(VolumeId(int(volume)), shard, path)

    def _give_name(self, file: SpooledFile, place: Place, mtime_seconds: int) -> Published:
        try:
            try:
                self._put(file, place.path, mtime_seconds, only_if_new=True)
            except ObjectExists:
                return self._resolve_existing(file, place, mtime_seconds)
        finally:
            # Also when it failed: the bucket may have it all the same.
            if place.hint_for is None:
                self.mark_changed(place.path)
        return Published(place.path, file.digest, file.bytes, existed=False)

    def _resolve_existing(self, file: SpooledFile, place: Place, mtime_seconds: int) -> Published:
        with contextlib.closing(open_object(self._bucket, place.path)) as existing:
            found = existing.compute_digest()
        resolution = resolve_taken_name(
            file,
            place,
            found=found,
            recorded=existing.digest,
            exists=lambda other: self._bucket.head(other.path) is not None,
        )
        if resolution is Resolution.KEEP:
            return Published(place.path, found, existing.stat.bytes, existed=True)
        if resolution is Resolution.QUARANTINE_AND_REPLACE:
            self.add_to_quarantine(place.path)
        self._put(file, place.path, mtime_seconds, only_if_new=False)
        return Published(place.path, file.digest, file.bytes, existed=False)

    def _put(self, file: SpooledFile, path: str, mtime_seconds: int, *, only_if_new: bool) -> None:
        etag = self._bucket.put(
            path,
            file.file,
            digest=file.digest,
            mtime_seconds=mtime_seconds,
            only_if_new=only_if_new,
        )
        self._listings.learn(path, etag, file.digest)

    def _take_back(self, published: Sequence[Published]) -> None:
        """A tombstone came in between: what was there before it, it has moved itself."""
        for each in published:
            if not each.existed:
                self._bucket.delete(each.path)

    def _trash_what_is_covered(self, tombstone: PhotoTombstone | VersionTombstone) -> None:
        directory, prefix = covered_by(tombstone)
        day = time.strftime("%Y-%m-%d", time.gmtime(self._now_seconds()))
        covered = [
            each.path
            for each in self._bucket.objects(f"{directory}/{prefix}")
            if not each.path.endswith(".gone")
        ]

        def move(path: str) -> None:
            # Another storagemaster may be burying the same.
            with contextlib.suppress(NotFound):
                self._bucket.copy(path, trash_path(day, path))
                self._bucket.delete(path)

        self._bucket.map_parallel(move, covered)
        for path in covered[:1]:
            self.mark_changed(path)


def _version_at(place: Place) -> tuple[PhotoVersion | None, NodeId | None]:
    """What is gone together."""
    return None if isinstance(
        place.file, PhotoTombstone
    ) else place.file.photo_version, place.hint_for
