"""The store over a disk: what a node can do with files, blocking, for any thread."""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from runtime.crashpoint import crashpoint
from storagenode.disk import tiering
from storagenode.disk.directories import DurableDirectories
from storagenode.disk.filesystem import FileSystem
from storagenode.disk.health import DiskHealth
from storagenode.disk.publishing import Publisher
from storagenode.disk.reading import open_file, opened, recorded_digest
from storagenode.disk.relinking import relink
from storagenode.disk.shard_listing import ShardListings
from storagenode.disk.staging import StagedFile, empty_staging, staged
from storagenode.disk.trash import empty_trash, trashed_files
from storagenode.disk.walking import files_below, hint_files, hint_places, names_in
from storagenode.open_file import OpenFile
from storagenode.protocol.errors import Corrupt, NotAMirror, NotFound
from storagenode.protocol.files import ListedFile, Published
from storagenode.protocol.layout import (
    HINTS,
    QUARANTINE,
    TOMBSTONE_BYTES,
    TRASH,
    VOLUME_MARKER,
    VOLUME_MARKER_BYTES,
    HintFile,
    Place,
    TrashedFile,
    covered_by,
    directory_of,
    trash_path,
    volume_marker,
)
from storagenode.store import Condition, Space
from volumes.cluster import NodeId
from volumes.cold_tier import ColdTier, SizeFilter
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    SHARDS,
    Info,
    InvalidPath,
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    VolumeId,
    parse_volume,
    render_path,
    volume_of,
)


class DiskStore:
    """Files below one root. Everything it says was written is on the disk, name and bytes."""

    def __init__(
        self, file_system: FileSystem, *, now_seconds: Callable[[], float] = time.time
    ) -> None:
        self.file_system = file_system
        self.health = DiskHealth(file_system)
        self.leftovers = empty_staging(file_system)
        self._now_seconds = now_seconds
        self._directories = DurableDirectories(file_system)
        self._publisher = Publisher(file_system, self._directories, now_seconds=now_seconds)
        self._listings = ShardListings(file_system, now_seconds=now_seconds)
        self._opening = threading.Lock()
        self._volumes = self._find_volumes()
        tiers = ((each, tiering.read_cold_tier(file_system, each)) for each in self._volumes)
        self._cold_tiers = {volume: tier for volume, tier in tiers if tier}

    @property
    def volumes(self) -> tuple[VolumeId, ...]:
        """The volumes this node is a home of, by their markers."""
        return tuple(sorted(self._volumes))

    def space(self) -> Space:
        """Room on the disk."""
        return self.file_system.space()

    @property
    def is_local(self) -> bool:
        """Yes: a disk is as near as it gets."""
        return True

    def condition(self) -> Condition:
        """Whether the disk takes writes."""
        suspect = self.health.suspect_reason
        if not self.is_intact():
            suspect = "the root or its marker is not what it was: is the disk mounted?"
        return Condition(
            accepts_new_photos=not suspect and self.health.accepts_new_photos(),
            suspect_reason=suspect,
        )

    def is_intact(self) -> bool:
        """Whether the root is still the one that was opened."""
        return self.file_system.is_intact()

    def open(self, path: str) -> OpenFile:
        """The file at a path; the caller closes it."""
        return open_file(self.file_system, path)

    def create_volume(self, volume: VolumeId) -> None:
        """Make this node a home of the volume: its shards, then its marker."""
        with self._opening, self._writing():
            if volume in self._volumes:
                return
            self._directories.make_parents_of(f"{volume}/{VOLUME_MARKER}")
            self._directories.make_all(str(volume), SHARDS)
            with staged(self.file_system) as file:
                file.write(VOLUME_MARKER_BYTES)
                file.seal(mtime_seconds=int(self._now_seconds()), digest=file.digest)
                with contextlib.suppress(FileExistsError):
                    self.file_system.link(file.path, volume_marker(volume))
                self.file_system.fsync_directory(str(volume))
            self._volumes.add(volume)

    @contextlib.contextmanager
    def staging(self, *, bytes_expected: int) -> Iterator[StagedFile]:
        """A hidden file to write, for `publish`; gone at the end unless it was published.

        `bytes_expected` is 0 where the length is not known.
        """
        with self._writing():
            self.health.check_free_space(bytes_expected)
            with staged(self.file_system) as file:
                yield file

    def publish(
        self, file: StagedFile, place: Place, *, mtime_seconds: int, digest: str
    ) -> Published:
        """Seal a staged file and give it its name, all of it on the disk on return.

        Raises:
            DigestMismatch, Gone, Conflict, NotAMirror: As their names say; nothing was published.
            StoreNotWritable: The disk failed; the file may or may not be there.
        """
        with self._writing():
            self._require_mirror(place)
            file.seal(mtime_seconds=mtime_seconds, digest=digest)
            (published,) = self._publish_sealed([(file, place)])
            return published

    def publish_bundle(
        self, files: Sequence[tuple[Place, bytes, str]], *, mtime_seconds: int
    ) -> tuple[Published, ...]:
        """Publish the sizes of one version: place, bytes and digest of each, in any order.

        The info is linked only when all else is on the disk, because its presence says so.
        """
        with contextlib.ExitStack() as stack, self._writing():
            self.health.check_free_space(sum(len(data) for _, data, _ in files))
            sealed = []
            for place, data, digest in files:
                self._require_mirror(place)
                file = stack.enter_context(staged(self.file_system))
                file.write(data)
                file.seal(mtime_seconds=mtime_seconds, digest=digest)
                sealed.append((file, place))
            infos = [pair for pair in sealed if isinstance(pair[1].file, Info)]
            others = [pair for pair in sealed if not isinstance(pair[1].file, Info)]
            # A size without an info gives way to another's: none comes in before this one's info.
            with self._publisher.photo_lock(files[0][0].file):
                self._publisher.raise_if_info_differs(infos)
                return self._publish_sealed(others) + self._publish_sealed(infos)

    def write_tombstone(self, place: Place, *, mtime_seconds: int) -> Published:
        """Write a tombstone, for ever, and move what it covers to the trash.

        Works on a full disk: deletes may use the reserve.
        """
        assert isinstance(place.file, PhotoTombstone | VersionTombstone)
        with self._writing(), staged(self.file_system) as file:
            self._require_mirror(place)
            file.write(TOMBSTONE_BYTES)
            file.seal(mtime_seconds=mtime_seconds, digest=file.digest)
            crashpoint("tombstone_synced")
            (published,) = self._publish_sealed([(file, place)])
            return published

    def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """Name, bytes and digest of every file of a shard, in order of names.

        Raises:
            NotAMirror: The volume is not here, so that nothing is known of what it has.
        """
        self._refuse_unless_open(volume)
        return self._listings.list_shard(volume, shard)

    def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """Name, bytes and digest of every file of one photo; otherwise as `list_shard`."""
        self._refuse_unless_open(volume)
        return self._listings.list_photo(volume, photo)

    def digests(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, str]:
        """The digests of those of these files that are here; `NotAMirror` as above.

        An empty digest means unverified. No directory is listed, however many files it has.
        """
        found = {}
        for file in files:
            self._require_mirror(Place(file))
            with contextlib.suppress(FileNotFoundError):
                found[file] = recorded_digest(self.file_system, render_path(file))
        return found

    def read_all(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, tuple[bytes, str]]:
        """Bytes and digest of those of these small files that are here and sound."""
        found = {}
        for file in files:
            with (
                contextlib.suppress(NotFound, Corrupt),
                opened(self.file_system, render_path(file)) as open_,
            ):
                found[file] = (open_.read(), open_.digest or "")
        return found

    def shard_digests(self, volume: VolumeId, part: SizeFilter | None = None) -> dict[str, str]:
        """A digest of the names and digests of every shard with files; `NotAMirror` as above."""
        self._refuse_unless_open(volume)
        return self._listings.digests(volume, part)

    @property
    def cold_tiers(self) -> dict[VolumeId, ColdTier]:
        """The volumes that are chilled, and how."""
        return dict(self._cold_tiers)

    def set_cold_tier(self, volume: VolumeId, cold_tier: ColdTier | None) -> None:
        """Note durably who keeps the large sizes of a volume, or that all mirrors do again."""
        self._refuse_unless_open(volume)
        with self._opening, self._writing():
            if cold_tier is None:
                tiering.remove_cold_tier(self.file_system, volume)
                self._cold_tiers.pop(volume, None)
            else:
                now = int(self._now_seconds())
                tiering.write_cold_tier(self.file_system, volume, cold_tier, mtime_seconds=now)
                self._cold_tiers[volume] = cold_tier

    def drop_copy(self, place: Place, digest: str) -> None:
        """Let go of a file that the keepers of its chilled volume have."""
        tiering.refuse_to_drop(place, self._cold_tiers.get(volume_of(place.file)))
        with self._writing():
            tiering.drop_copy(self.file_system, self._publisher, place, digest)

    def tombstones(self, volume: VolumeId) -> list[str]:
        """The names of all tombstones of a volume; `NotAMirror` as above."""
        self._refuse_unless_open(volume)
        names = itertools.chain.from_iterable(
            names_in(self.file_system, f"{volume}/{each}") for each in SHARDS
        )
        return [name for name in names if name.endswith(".gone")]

    def list_hints(self, limit: int, *, mirror: NodeId | None = None) -> list[HintFile]:
        """Up to so many of the files held for other nodes, or for one of them."""
        return hint_files(self.file_system, limit, mirror)

    def count_hints(self, limit: int) -> int:
        """How many files are held for other nodes, counted up to a limit."""
        return sum(1 for _ in itertools.islice(hint_places(self.file_system), limit))

    def remove_hint(self, place: Place) -> None:
        """Let go of a file that was held for another node, which has it now."""
        assert place.hint_for is not None, "only what is owed can be settled"
        with self._writing(), contextlib.suppress(FileNotFoundError):
            self.file_system.unlink(place.path)
            # A thousand empty directories would be walked through at every count.
            self._directories.remove_empty_parents_of(place.path, below=HINTS)

    def find(self, photo: str) -> list[str]:
        """Every path on this node whose name begins with the photo's id, wherever it is kept."""
        shards = [f"{volume}/{photo[-2:]}" for volume in self.volumes]
        found = [f"{each}/{name}" for each in shards for name in names_in(self.file_system, each)]
        for hidden in (HINTS, TRASH, QUARANTINE):
            found += files_below(self.file_system, hidden)
        return sorted(path for path in found if photo in path.rpartition("/")[2])

    def quarantine(self, place: Place, *, inode: int | None = None) -> str | None:
        """Set a corrupt file aside, for inspection; its new path, or None if it is gone already.

        With the `inode` that was read, a sound file that has the name by now stays where it is.
        """
        with self._writing(), self._publisher.photo_lock(place.file):
            try:
                found = self.file_system.stat(place.path).inode
            except FileNotFoundError:
                return None
            if inode not in {None, found}:
                return None
            aside = self._publisher.add_to_quarantine(place.path)
            self.file_system.unlink(place.path)
            self.file_system.fsync_directory(directory_of(place.path))
        return aside

    def relink(
        self, photo_version: PhotoVersion, version: Version, *, original_only: bool = False
    ) -> tuple[str, ...]:
        """Link every file of a version under another version; as `relinking.relink`."""
        with self._writing():
            self._refuse_unless_open(photo_version.volume)
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
        """Note the digest of a file that has none; its digest.

        `digest` is what another mirror has noted, or empty when none has. A file that has a digest
        already is compared with that one.

        Raises:
            NotFound: There is no such file.
            Corrupt: The bytes have another digest. They are set aside.
        """
        with self._writing(), opened(self.file_system, place.path) as file:
            found = file.compute_digest()
            wanted = file.digest or digest or found
            if found == wanted and file.digest is None:
                self.file_system.set_digest(file.handle, found)
                self.file_system.fsync(file.handle)
                self._listings.forget(directory_of(place.path))
        if found != wanted:
            self.quarantine(place, inode=file.stat.inode)
            raise Corrupt(f"{place} has SHA-256 {found} instead of {wanted}, and was set aside")
        return found

    def list_trash(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """What the trash has of a photo, the day it was deleted on last first."""
        return trashed_files(self.file_system, volume, photo)

    def empty_trash(self, *, retention_days: int) -> int:
        """Unlink what was deleted longer ago than the retention; how many files that were."""
        self.health.check_writable()
        now = self._now_seconds()
        return empty_trash(self.file_system, now_seconds=now, retention_days=retention_days)

    def mark_unverified(self, place: Place) -> None:
        """Have the next comparison of mirrors look at a file that has lost its digest."""
        self._listings.forget(directory_of(place.path))

    def raise_if_deleted(self, file: PhotoFile) -> None:
        """Raise `Gone` if a tombstone covers this file."""
        self._publisher.raise_if_deleted_cached(file)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        self.health.check_writable()
        with self.health.translate_write_errors():
            yield

    def _publish_sealed(self, files: Sequence[tuple[StagedFile, Place]]) -> tuple[Published, ...]:
        """However a tombstone comes here, what it covers goes."""
        published = self._publisher.publish(files)
        for _, place in files:
            if isinstance(place.file, PhotoTombstone | VersionTombstone) and not place.hint_for:
                crashpoint("before_unlink")
                self._trash_what_is_covered(place.file)
        return published

    def _require_mirror(self, place: Place) -> None:
        if place.hint_for is None:
            self._refuse_unless_open(volume_of(place.file))

    def _refuse_unless_open(self, volume: VolumeId) -> None:
        if volume not in self._volumes:
            raise NotAMirror(f"this node is not a home of volume {volume}")

    def _trash_what_is_covered(self, tombstone: PhotoTombstone | VersionTombstone) -> None:
        directory, prefix = covered_by(tombstone)
        day = time.strftime("%Y-%m-%d", time.gmtime(self._now_seconds()))
        with self._publisher.photo_lock(tombstone):
            for name in names_in(self.file_system, directory):
                if name.startswith(prefix) and not name.endswith(".gone"):
                    path = f"{directory}/{name}"
                    target = trash_path(day, path)
                    self._directories.give_name(
                        target, partial(self.file_system.rename, path, target)
                    )
                    crashpoint("after_unlink")
            self.file_system.fsync_directory(directory)

    def _find_volumes(self) -> set[VolumeId]:
        found = set()
        for name in self.file_system.list("."):
            with contextlib.suppress(InvalidPath):
                volume = parse_volume(name)
                if self.file_system.exists(volume_marker(volume)):
                    self._directories.learn(name)
                    found.add(volume)
        return found
