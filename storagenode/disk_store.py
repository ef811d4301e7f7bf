"""The store over a disk: what a node can do with files, blocking, for any thread."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from storagenode.crashpoint import crashpoint
from storagenode.directories import DurableDirectories
from storagenode.disk_health import DiskHealth
from storagenode.errors import Conflict, NotHome
from storagenode.filesystem import FileSystem, Space
from storagenode.layout import (
    OWED,
    QUARANTINE,
    TRASH,
    VOLUME_MARKER,
    OwedFile,
    Place,
    quarantine_path,
    trash_path,
    volume_marker,
)
from storagenode.publishing import Published, Publisher
from storagenode.reading import digest_noted
from storagenode.shard_listing import ListedFile, ShardListings
from storagenode.staging import StagedFile, empty_staging, staged
from volumes.cluster import NodeId
from volumes.photo_id import PhotoId
from volumes.photo_path import (
    SHARDS,
    Failure,
    Info,
    InvalidPath,
    PhotoFile,
    PhotoTombstone,
    VersionTombstone,
    VolumeId,
    parse_path,
    parse_volume,
)

TOMBSTONE_BYTES = b"gone\n"
_VOLUME_MARKER_BYTES = b"glassplate volume\n"


class DiskStore:
    """Files below one root. Everything it says was written is on the disk, name and bytes."""

    def __init__(
        self,
        file_system: FileSystem,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self.file_system = file_system
        self.health = DiskHealth(file_system)
        self.leftovers = empty_staging(file_system)
        self._now_seconds = now_seconds
        self._directories = DurableDirectories(file_system)
        self._publisher = Publisher(file_system, self._directories)
        self._listings = ShardListings(file_system, now_seconds=now_seconds)
        self._opening = threading.Lock()
        self._volumes = self._find_volumes()

    @property
    def volumes(self) -> tuple[VolumeId, ...]:
        """The volumes this node is a home of, by their markers."""
        return tuple(sorted(self._volumes))

    def space(self) -> Space:
        """Room on the disk."""
        return self.file_system.space()

    def open_volume(self, volume: VolumeId) -> None:
        """Make this node a home of the volume: its shards, then its marker."""
        with self._opening, self._writing(bytes_needed=0):
            if volume in self._volumes:
                return
            self._directories.make_parents_of(f"{volume}/{VOLUME_MARKER}")
            self._directories.make_all(str(volume), SHARDS)
            with staged(self.file_system) as file:
                file.write(_VOLUME_MARKER_BYTES)
                file.seal(mtime_seconds=int(self._now_seconds()), digest=file.digest)
                with contextlib.suppress(FileExistsError):
                    self.file_system.link(file.path, volume_marker(volume))
                self.file_system.fsync_directory(str(volume))
            self._volumes.add(volume)

    @contextlib.contextmanager
    def staging(self, *, bytes_expected: int) -> Iterator[StagedFile]:
        """A hidden file to write, for `publish`; gone at the end unless it was published."""
        with self._writing(bytes_needed=bytes_expected), staged(self.file_system) as file:
            yield file

    def publish(
        self, file: StagedFile, place: Place, *, mtime_seconds: int, digest: str
    ) -> Published:
        """Seal a staged file and give it its name, all of it on the disk on return.

        Raises:
            DigestMismatch, Gone, Conflict, NotHome: As their names say; nothing was published.
            DiskRefused: The disk failed; the file may or may not be there.
        """
        with self._writing(bytes_needed=0):
            self._refuse_unless_home(place)
            file.seal(mtime_seconds=mtime_seconds, digest=digest)
            return self._publish_sealed(file, place)

    def publish_bundle(
        self, files: Sequence[tuple[Place, bytes, str]], *, mtime_seconds: int
    ) -> tuple[Published, ...]:
        """Publish the sizes of one version: place, bytes and digest of each, the info last.

        The info is linked only when all else is on the disk, because its presence says so.
        """
        total = sum(len(data) for _, data, _ in files)
        with contextlib.ExitStack() as stack, self._writing(bytes_needed=total):
            sealed = []
            for place, data, digest in files:
                self._refuse_unless_home(place)
                file = stack.enter_context(staged(self.file_system))
                file.write(data)
                file.seal(mtime_seconds=mtime_seconds, digest=digest)
                sealed.append((file, place))
            return tuple(self._publish_sealed(file, place) for file, place in sealed)

    def bury(self, place: Place, *, mtime_seconds: int) -> Published:
        """Write a tombstone, for ever, and move what it covers to the trash.

        Works on a full disk: deletes may use the reserve.
        """
        tombstone = place.file
        assert isinstance(tombstone, PhotoTombstone | VersionTombstone)
        with self.health.watching_writes(), staged(self.file_system) as file:
            self.health.refuse_unless_sound()
            self._refuse_unless_home(place)
            file.write(TOMBSTONE_BYTES)
            file.seal(mtime_seconds=mtime_seconds, digest=file.digest)
            crashpoint("tomb_synced")
            published = self._publisher.publish(file, place)
            crashpoint("before_unlink")
            if place.owed_to is None:
                self._trash_what_is_covered(tombstone)
            return published

    def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """Name, bytes and digest of every file of a shard, in order of names."""
        return self._listings.list_shard(volume, shard)

    def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """Name, bytes and digest of every file of one photo, in order of names."""
        return self._listings.list_photo(volume, photo)

    def shard_digests(self, volume: VolumeId) -> dict[str, str]:
        """A digest of the names and digests of every shard that has files."""
        return self._listings.digests(volume)

    def owed(self, limit: int) -> list[OwedFile]:
        """Up to so many of the files held for other nodes."""
        found: list[OwedFile] = []
        for home in self.file_system.list(OWED):
            for path in self._walk(f"{OWED}/{home}"):
                if len(found) == limit:
                    return found
                file = _parse_below(f"{OWED}/{home}/", path)
                if file is not None:
                    stat = self.file_system.stat(path)
                    digest = digest_noted(self.file_system, path)
                    found.append(OwedFile(Place(file, NodeId(home)), stat.bytes, digest))
        return found

    def settle(self, place: Place) -> None:
        """Let go of a file that was held for another node, which has it now."""
        assert place.owed_to is not None, "only what is owed can be settled"
        with self.health.watching_writes(), contextlib.suppress(FileNotFoundError):
            self.file_system.unlink(place.path)

    def find(self, photo: str) -> list[str]:
        """Every path on this node whose name begins with the photo's id, wherever it is kept."""
        homes = [f"{volume}/{photo[-2:]}" for volume in self.volumes]
        found = [f"{home}/{name}" for home in homes for name in self._names(home)]
        for hidden in (OWED, TRASH, QUARANTINE):
            found += self._walk(hidden)
        return sorted(path for path in found if photo in path.rpartition("/")[2])

    def quarantine(self, place: Place) -> str:
        """Set a corrupt file aside, for inspection; its new path below the root."""
        aside = quarantine_path(place.path, unique=f"{self._now_seconds():.6f}")
        with self.health.watching_writes():
            self.file_system.rename(place.path, aside)
            self.file_system.fsync_directory(QUARANTINE)
            self.file_system.fsync_directory(place.path.rpartition("/")[0])
        return aside

    def refuse_if_gone(self, file: PhotoFile) -> None:
        """Raise `Gone` if a tombstone covers this file."""
        self._publisher.refuse_if_gone(file)

    @contextlib.contextmanager
    def _writing(self, *, bytes_needed: int) -> Iterator[None]:
        self.health.refuse_unless_sound()
        if bytes_needed:
            self.health.refuse_unless_room(bytes_needed)
        with self.health.watching_writes():
            yield

    def _publish_sealed(self, file: StagedFile, place: Place) -> Published:
        try:
            return self._publisher.publish(file, place)
        except Conflict:
            if isinstance(place.file, Info | Failure):
                # Made twice from the same photo: the first is as good, and stays.
                stat = self.file_system.stat(place.path)
                digest = digest_noted(self.file_system, place.path)
                return Published(place.path, digest, stat.bytes, was_there=True)
            raise

    def _refuse_unless_home(self, place: Place) -> None:
        file = place.file
        volume = file.volume if isinstance(file, PhotoTombstone) else file.of.volume
        if place.owed_to is None and volume not in self._volumes:
            raise NotHome(f"this node is not a home of volume {volume}")

    def _trash_what_is_covered(self, tombstone: PhotoTombstone | VersionTombstone) -> None:
        directory, prefix = _covered_by(tombstone)
        day = time.strftime("%Y-%m-%d", time.gmtime(self._now_seconds()))
        with self._publisher.photo_locked(tombstone):
            for name in self._names(directory):
                if name.startswith(prefix) and not name.endswith(".gone"):
                    target = trash_path(day, f"{directory}/{name}")
                    self._directories.make_parents_of(target)
                    self.file_system.rename(f"{directory}/{name}", target)
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

    def _names(self, directory: str) -> list[str]:
        try:
            return self.file_system.list(directory)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _walk(self, directory: str) -> Iterator[str]:
        for name in sorted(self._names(directory)):
            path = f"{directory}/{name}"
            if "." in name and not directory.endswith(TRASH):
                yield path
            else:
                yield from self._walk(path)


def _covered_by(tombstone: PhotoTombstone | VersionTombstone) -> tuple[str, str]:
    """The directory and the beginning of the names of what a tombstone covers."""
    path = Place(tombstone).path.removesuffix(".gone")
    directory, _, prefix = path.rpartition("/")
    return directory, prefix


def _parse_below(prefix: str, path: str) -> PhotoFile | None:
    try:
        return parse_path(path.removeprefix(prefix))
    except InvalidPath:
        return None
