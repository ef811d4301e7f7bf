"""The volumes that a bucket holds, by their markers, and which of them take new files."""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator

from storagenode.bucket.bucket import Bucket
from storagenode.bucket.errors import ObjectExists
from storagenode.bucket.listing import DIGESTS
from storagenode.bucket.staging import spooled
from storagenode.protocol.errors import Conflict, NotAMirror
from storagenode.protocol.layout import (
    VOLUME_MARKER_BYTES,
    Place,
    cold_tier_marker,
    volume_marker,
)
from volumes.photo_path import (
    InvalidPath,
    PhotoTombstone,
    VersionTombstone,
    VolumeId,
    parse_volume,
    volume_of,
)


class HeldVolumes:
    """The volumes of a bucket. The map gives a volume that takes no new files to other nodes."""

    def __init__(self, bucket: Bucket, *, now_seconds: Callable[[], float]) -> None:
        self._bucket = bucket
        self._now_seconds = now_seconds
        self._held = set(_marked_volumes(bucket))
        self._taking = set(self._held)
        self._dropping: set[VolumeId] = set()
        self._changing = threading.Lock()
        """Held while the node begins or ceases to hold volumes, or to take files of them."""

    def __iter__(self) -> Iterator[VolumeId]:
        return iter(sorted(self._held))

    def __contains__(self, volume: VolumeId) -> bool:
        return volume in self._held

    def create(self, volumes: Iterable[VolumeId]) -> None:
        """Hold volumes, if the bucket does not yet, and take files of these. Drops of them end."""
        with self._changing:
            self._dropping.difference_update(volumes)
            for volume in volumes:
                if volume not in self._held:
                    self._put_marker(volume)
                    self._held.add(volume)
                    self._taking.add(volume)

    def take_only(self, volumes: Collection[VolumeId]) -> None:
        """Take new files of these volumes only."""
        with self._changing:
            taking = self._held.intersection(volumes)
            self._taking &= taking
            self._taking |= taking

    @contextlib.contextmanager
    def dropping(self, volume: VolumeId) -> Iterator[Callable[[], None]]:
        """Hold a volume no longer once the block has moved its files.

        Yield a function that raises `Conflict` if the volume is needed by now.

        Raises:
            Conflict: It takes new files, or another drop of it is under way.
        """
        with self._changing:
            if volume in self._dropping:
                raise Conflict(f"the files of volume {volume} are moving to the trash")
            self._dropping.add(volume)
        try:
            self._raise_if_needed(volume)
            yield lambda: self._raise_if_needed(volume)
            with self._changing:
                self._raise_if_needed(volume)
                self._remove_markers(volume)
                self._held.discard(volume)
        finally:
            self._dropping.discard(volume)

    def _raise_if_needed(self, volume: VolumeId) -> None:
        if volume in self._taking or volume not in self._dropping:
            raise Conflict(f"volume {volume} is on this node by its map; it stays")

    def require(self, volume: VolumeId) -> None:
        """Raise `NotAMirror` if the bucket does not hold a volume."""
        if volume not in self._held:
            raise NotAMirror(f"this node is not a mirror of volume {volume}")

    def require_mirror(self, place: Place) -> None:
        """Raise `NotAMirror` if the bucket does not hold the volume of a file, except for hints."""
        if place.hint_for is None:
            self.require(volume_of(place.file))

    def require_taking(self, place: Place) -> None:
        """Raise `NotAMirror` if a new file has no place here. Tombstones always have one."""
        self.require_mirror(place)
        if place.hint_for or isinstance(place.file, PhotoTombstone | VersionTombstone):
            return
        if (volume := volume_of(place.file)) not in self._taking:
            raise NotAMirror(f"volume {volume} is on other nodes by now")

    def _put_marker(self, volume: VolumeId) -> None:
        with spooled(VOLUME_MARKER_BYTES) as file, contextlib.suppress(ObjectExists):
            self._bucket.put(
                volume_marker(volume),
                file.file,
                digest=file.digest,
                mtime_seconds=int(self._now_seconds()),
                only_if_new=True,
            )

    def _remove_markers(self, volume: VolumeId) -> None:
        cached = [each.path for each in self._bucket.objects(f"{DIGESTS}/{volume}/")]
        self._bucket.map_parallel(self._bucket.delete, cached)
        self._bucket.delete(cold_tier_marker(volume))
        self._bucket.delete(volume_marker(volume))


def _marked_volumes(bucket: Bucket) -> Iterator[VolumeId]:
    for name in bucket.folders(""):
        with contextlib.suppress(InvalidPath):
            volume = parse_volume(name)
            if bucket.head(volume_marker(volume)) is not None:
                yield volume
