"""The store over a bucket: what a node can do with files, where files are objects."""

import contextlib
import errno
import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence

from storagenode.bucket.bucket import Bucket
from storagenode.bucket.errors import ObjectExists
from storagenode.bucket.health import BucketHealth
from storagenode.bucket.listing import BucketListings
from storagenode.bucket.publishing import BucketPublisher
from storagenode.bucket.reading import identity_of, open_object
from storagenode.bucket.relinking import relink_objects
from storagenode.bucket.staging import SpooledFile, spooled
from storagenode.bucket.trash import days_in_trash, empty_bucket_trash, trashed_objects
from storagenode.disk.tiering import refuse_to_drop
from storagenode.open_file import OpenFile
from storagenode.protocol.errors import (
    Conflict,
    Corrupt,
    DigestMismatch,
    NodeError,
    NotAMirror,
    NotFound,
    OutOfSpace,
)
from storagenode.protocol.files import ListedFile, Published
from storagenode.protocol.layout import (
    HINTS,
    QUARANTINE,
    TOMBSTONE_BYTES,
    VOLUME_MARKER_BYTES,
    HintFile,
    Place,
    TrashedFile,
    cold_tier_marker,
    trash_path,
    volume_marker,
)
from storagenode.store import Condition, Space
from volumes.cluster import NodeId
from volumes.cold_tier import ColdTier, SizeFilter, parse_cold_tier, render_cold_tier
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    Info,
    InvalidPath,
    PhotoFile,
    PhotoVersion,
    VolumeId,
    parse_path,
    parse_volume,
    render_path,
    volume_of,
)

log = logging.getLogger(__name__)

# A bucket has no end; whoever weighs nodes by their room needs a number all the same.
NOMINAL_FREE_BYTES = 1 << 50


class BucketStore:
    """Files below one prefix of a bucket. Everything it says was written is kept there."""

    def __init__(
        self,
        bucket: Bucket,
        health: BucketHealth,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self.bucket = bucket
        self.health = health
        self._now_seconds = now_seconds
        self._listings = BucketListings(bucket, now_seconds=now_seconds)
        self._publisher = BucketPublisher(bucket, self._listings, now_seconds=now_seconds)
        self._volumes = self._find_volumes()
        self._cold_tiers = self._find_cold_tiers()
        # Asked for all the time, and changed by nobody else.
        self._hints = {place.path: place for place in self._find_hints()}

    @property
    def volumes(self) -> tuple[VolumeId, ...]:
        """The volumes this node is a home of, by their markers."""
        return tuple(sorted(self._volumes))

    @property
    def is_local(self) -> bool:
        """No: everything is behind a network."""
        return False

    def space(self) -> Space:
        """As much as anyone will need."""
        return Space(NOMINAL_FREE_BYTES, NOMINAL_FREE_BYTES, 0, 0)

    def condition(self) -> Condition:
        """Whether the bucket takes writes, as was found last."""
        return self.health.condition()

    def is_intact(self) -> bool:
        """Whether the bucket has this node's marker, as was found last."""
        return self.health.is_intact

    def create_volume(self, volume: VolumeId) -> None:
        """Make this node a home of the volume."""
        self.health.check_marker()
        if volume in self._volumes:
            return
        with spooled(VOLUME_MARKER_BYTES) as file, contextlib.suppress(ObjectExists):
            self.bucket.put(
                volume_marker(volume),
                file.file,
                digest=file.digest,
                mtime_seconds=int(self._now_seconds()),
                only_if_new=True,
            )
        self._volumes.add(volume)

    @contextlib.contextmanager
    def staging(self, *, bytes_expected: int) -> Iterator[SpooledFile]:
        """A file that is in no bucket yet; gone at the end unless it was published."""
        del bytes_expected  # the temporary disk says by itself when it is full
        self.health.check_marker()
        with _temporary_disk_watched(), spooled() as file:
            yield file

    def publish(
        self, file: SpooledFile, place: Place, *, mtime_seconds: int, digest: str
    ) -> Published:
        """Send a file to its name; it is kept there on return."""
        self._require_mirror(place)
        if file.digest != digest:
            raise DigestMismatch(f"the bytes have SHA-256 {file.digest}, announced was {digest}")
        (published,) = self._publish([(file, place)], mtime_seconds)
        return published

    def publish_bundle(
        self, files: Sequence[tuple[Place, bytes, str]], *, mtime_seconds: int
    ) -> tuple[Published, ...]:
        """Publish the sizes of one version; the info when all else is kept."""
        with contextlib.ExitStack() as stack:
            ready: list[tuple[SpooledFile, Place]] = []
            for place, data, digest in files:
                self._require_mirror(place)
                file = stack.enter_context(spooled(data))
                if file.digest != digest:
                    raise DigestMismatch(f"{place} has SHA-256 {file.digest}, not {digest}")
                ready.append((file, place))
            infos = [pair for pair in ready if isinstance(pair[1].file, Info)]
            others = [pair for pair in ready if not isinstance(pair[1].file, Info)]
            self._publisher.raise_if_info_differs(infos)
            return self._publish(others, mtime_seconds) + self._publish(infos, mtime_seconds)

    def write_tombstone(self, place: Place, *, mtime_seconds: int) -> Published:
        """Write a tombstone, for ever, and move what it covers to the trash."""
        self._require_mirror(place)
        with spooled(TOMBSTONE_BYTES) as file:
            (published,) = self._publish([(file, place)], mtime_seconds)
            return published

    def raise_if_deleted(self, file: PhotoFile) -> None:
        """Raise `Gone` if a tombstone covers this file."""
        self._publisher.raise_if_deleted(file)

    def open(self, path: str) -> OpenFile:
        """The file at a path; the caller closes it."""
        return open_object(self.bucket, path)

    def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """The files of a shard."""
        self._refuse_unless_open(volume)
        return self._listings.list_shard(volume, shard)

    def tombstones(self, volume: VolumeId) -> list[str]:
        """The names of all tombstones of a volume, as the bucket has them now."""
        self._refuse_unless_open(volume)
        names = (path.rpartition("/")[2] for path in self._paths(f"{volume}/"))
        return [name for name in names if name.endswith(".gone")]

    def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """The files of one photo."""
        self._refuse_unless_open(volume)
        return self._listings.list_photo(volume, photo)

    def digests(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, str]:
        """The digests of those of these files that are here."""
        for file in files:
            self._require_mirror(Place(file))
        notes = self.bucket.map_parallel(self.bucket.head, map(render_path, files))
        found = zip(files, notes, strict=True)
        return {file: note.digest or "" for file, note in found if note is not None}

    def read_all(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, tuple[bytes, str]]:
        """Bytes and digest of those of these small files that are here and sound."""
        answers = self.bucket.map_parallel(self._read_sound, map(render_path, files))
        found = zip(files, answers, strict=True)
        return {file: answer for file, answer in found if answer is not None}

    def shard_digests(self, volume: VolumeId, part: SizeFilter | None = None) -> dict[str, str]:
        """A digest of every shard with files, or files of a part of them."""
        self._refuse_unless_open(volume)
        return self._listings.digests(volume, part)

    @property
    def cold_tiers(self) -> dict[VolumeId, ColdTier]:
        """The volumes that are chilled, and how."""
        return dict(self._cold_tiers)

    def set_cold_tier(self, volume: VolumeId, cold_tier: ColdTier | None) -> None:
        """Note who keeps the large sizes of a volume, or that all mirrors do again."""
        self.health.check_marker()
        self._refuse_unless_open(volume)
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

    def drop_copy(self, place: Place, digest: str) -> None:
        """Let go of a file that the keepers of its chilled volume have."""
        refuse_to_drop(place, self._cold_tiers.get(volume_of(place.file)))
        self.health.check_marker()
        metadata = self.bucket.head(place.path)
        if metadata is not None:
            if metadata.digest != digest:
                raise Conflict(f"{place} has another digest than its keepers' copy, and stays")
            self.bucket.delete(place.path)
            self._publisher.mark_changed(place.path)

    def list_hints(self, limit: int, *, mirror: NodeId | None = None) -> list[HintFile]:
        """Up to so many of the files held for other nodes, or for one of them."""
        held = dict(self._hints)
        paths = sorted(path for path in held if mirror in {None, held[path].hint_for})[:limit]
        notes = self.bucket.map_parallel(self.bucket.head, paths)
        return [
            HintFile(held[path], note.bytes, note.digest or "")
            for path, note in zip(paths, notes, strict=True)
            if note is not None
        ]

    def count_hints(self, limit: int) -> int:
        """How many files are held for other nodes."""
        return min(len(self._hints), limit)

    def remove_hint(self, place: Place) -> None:
        """Let go of a file that was held for a node, which has it now."""
        assert place.hint_for is not None, "only what is owed can be settled"
        self.health.check_marker()
        self.bucket.delete(place.path)
        self._hints.pop(place.path, None)

    def find(self, photo: str) -> list[str]:
        """Every path of a photo here, wherever it is kept."""
        live = [f"{volume}/{photo[-2:]}/{photo}" for volume in self.volumes]
        trashed = [trash_path(day, path) for day in days_in_trash(self.bucket) for path in live]
        prefixes = [*live, *trashed, f"{QUARANTINE}/"]
        found = itertools.chain(dict(self._hints), *self.bucket.map_parallel(self._paths, prefixes))
        return sorted(path for path in found if photo in path.rpartition("/")[2])

    def mark_unverified(self, place: Place) -> None:
        """Have the next comparison of mirrors look at a file that has lost its digest."""
        self._publisher.mark_unverified(place.path)

    def quarantine(self, place: Place, *, inode: int | None = None) -> str | None:
        """Set a corrupt file aside; its new path, or None if there was nothing to set aside.

        With the `inode` that was read, it is read once more first: the bytes may have been
        spoilt on their way.
        """
        self.health.check_marker()
        metadata = self.bucket.head(place.path)
        if metadata is None or inode not in {None, identity_of(metadata.etag)}:
            return None
        if inode is not None:
            with contextlib.closing(self.open(place.path)) as file:
                if file.compute_digest() == file.digest:
                    log.warning("%s was read wrong once, and is right", place)
                    return None
        aside = self._publisher.add_to_quarantine(place.path)
        self.bucket.delete(place.path)
        if place.hint_for is None:
            self._publisher.mark_changed(place.path)
        return aside

    def relink(
        self, photo_version: PhotoVersion, version: Version, *, original_only: bool = False
    ) -> tuple[str, ...]:
        """Copy every file of a version to its name under another version."""
        self.health.check_marker()
        self._refuse_unless_open(photo_version.volume)
        return relink_objects(
            self.bucket,
            self._publisher,
            photo_version,
            version,
            original_only=original_only,
            is_offloaded=photo_version.volume in self._cold_tiers,
        )

    def restore_digest(self, place: Place, digest: str) -> str:
        """Note the digest of a file that has none; its digest, or `Corrupt`."""
        self.health.check_marker()
        with contextlib.closing(self.open(place.path)) as file:
            found = file.compute_digest()
        wanted = file.digest or digest or found
        if found != wanted:
            self.quarantine(place, inode=file.stat.inode)
            raise Corrupt(f"{place} has SHA-256 {found} instead of {wanted}, and was set aside")
        if file.digest is None:
            mtime = file.stat.mtime_seconds
            self.bucket.copy(place.path, place.path, digest=found, mtime_seconds=mtime)
            if place.hint_for is None:
                self._publisher.mark_changed(place.path)
        return found

    def list_trash(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """What the trash has of a photo, the day it was deleted on last first."""
        return trashed_objects(self.bucket, volume, photo)

    def empty_trash(self, *, retention_days: int) -> int:
        """Delete what was deleted longer ago than the retention; how many files that were."""
        self.health.check_marker()
        return empty_bucket_trash(
            self.bucket, now_seconds=self._now_seconds(), retention_days=retention_days
        )

    def _publish(
        self, files: Sequence[tuple[SpooledFile, Place]], mtime_seconds: int
    ) -> tuple[Published, ...]:
        self.health.check_marker()
        published = self._publisher.publish(files, mtime_seconds=mtime_seconds)
        self._hints.update({place.path: place for _, place in files if place.hint_for})
        return published

    def _require_mirror(self, place: Place) -> None:
        if place.hint_for is None:
            self._refuse_unless_open(volume_of(place.file))

    def _refuse_unless_open(self, volume: VolumeId) -> None:
        if volume not in self._volumes:
            raise NotAMirror(f"this node is not a home of volume {volume}")

    def _read_sound(self, path: str) -> tuple[bytes, str] | None:
        try:
            with contextlib.closing(self.open(path)) as file:
                return file.read(), file.digest or ""
        except (NotFound, Corrupt):
            return None

    def _paths(self, prefix: str) -> list[str]:
        return [each.path for each in self.bucket.objects(prefix)]

    def _find_volumes(self) -> set[VolumeId]:
        found = set()
        for name in self.bucket.folders(""):
            with contextlib.suppress(InvalidPath):
                volume = parse_volume(name)
                if self.bucket.head(volume_marker(volume)) is not None:
                    found.add(volume)
        return found

    def _find_cold_tiers(self) -> dict[VolumeId, ColdTier]:
        texts = {v: self.bucket.read_whole(cold_tier_marker(v)) for v in self._volumes}
        return {volume: parse_cold_tier(text) for volume, text in texts.items() if text}

    def _find_hints(self) -> Iterator[Place]:
        for path in self._paths(f"{HINTS}/"):
            hint_for, _, photo_path = path.removeprefix(f"{HINTS}/").partition("/")
            with contextlib.suppress(InvalidPath):
                yield Place(parse_path(photo_path), NodeId(hint_for))


@contextlib.contextmanager
def _temporary_disk_watched() -> Iterator[None]:
    """Large files wait on the temporary disk until all of them is here."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise OutOfSpace(f"the disk for temporary files is full: {error}") from error
        raise NodeError(f"the file could not be kept while it came: {error}") from error
