"""The contents of a disk, as other mirrors compare and repair them: listings and summaries."""

import contextlib
import itertools
from collections.abc import Collection, Iterable

from permission_urls import TombstoneProofs
from storagenode.disk import walking
from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import opened
from storagenode.disk.shard_listing import ShardListings
from storagenode.disk.summaries.summaries import Summaries
from storagenode.protocol.errors import Corrupt, NotAMirror, NotFound
from storagenode.protocol.files import ListedFile, UnfinishedPhotos, VolumeSummary
from storagenode.protocol.layout import HintFile, Place, directory_of
from volumes.cluster import NodeId
from volumes.cold_tier import SizeFilter
from volumes.photo_id import PhotoId
from volumes.photo_path import VolumeId, volume_of
from volumes.photo_shapes import ShapeRule


class VolumeContents:
    """Listings and digests of the volumes and the hints of a disk."""

    def __init__(self, file_system: FileSystem, proofs: TombstoneProofs) -> None:
        self.file_system = file_system
        self._volumes = walking.marked_volumes(file_system)
        self._taking = set(self._volumes)
        """The volumes that take new files. The map gives the others to other nodes."""
        self._listings = ShardListings(file_system, proofs)
        self._summaries = Summaries(file_system, self._listings.list_shard)

    def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """Return the files of a shard, sorted by name."""
        self._require_volume(volume)
        return self._listings.list_shard(volume, shard)

    def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """Return the files of one photo, sorted by name."""
        self._require_volume(volume)
        return self._listings.list_photo(volume, photo)

    def shard_digests(self, volume: VolumeId, sizes: SizeFilter | None = None) -> dict[str, str]:
        """Return a digest of the names and digests of each shard that has matching files."""
        self._require_volume(volume)
        return self._summaries.digests(volume, sizes)

    def volume_summary(self, volume: VolumeId) -> VolumeSummary:
        """Return the digest of all files of a volume, and their number and bytes."""
        self._require_volume(volume)
        return self._summaries.volume_summary(volume)

    def unfinished(self, volume: VolumeId, rule: ShapeRule) -> UnfinishedPhotos:
        """Return the photos of a volume that lack sizes."""
        self._require_volume(volume)
        return self._summaries.unfinished(volume, rule)

    def look_again(self) -> None:
        """Look at the next shards for changes by other programs, in turns."""
        self._summaries.look_again()

    def shards(self, volume: VolumeId) -> list[str]:
        """Return the shards of a volume that exist, in order."""
        self._require_volume(volume)
        return walking.shards_in(self.file_system, volume)

    def tombstone_digests(self, volume: VolumeId) -> dict[str, str]:
        """Return a digest of the names of the tombstones of each shard that has any."""
        self._require_volume(volume)
        return self._summaries.tombstone_digests(volume)

    def tombstones(self, volume: VolumeId, shards: Iterable[str]) -> list[str]:
        """Return the names of all tombstones of some shards."""
        self._require_volume(volume)
        found = (walking.names_in(self.file_system, f"{volume}/{shard}") for shard in shards)
        return [name for names in found for name in names if name.endswith(".gone")]

    def list_hints(self, limit: int, *, mirror: NodeId | None = None) -> list[HintFile]:
        """Return up to `limit` hints, for all mirrors or for one."""
        return walking.hint_files(self.file_system, limit, mirror)

    def list_photo_hints(self, volume: VolumeId, photo: PhotoId) -> list[HintFile]:
        """Return the hints of one photo, for any mirror."""
        return walking.hints_of_photo(self.file_system, volume, photo)

    def count_hints(self, limit: int) -> int:
        """Return the number of hints, counted up to `limit`."""
        return sum(1 for _ in itertools.islice(walking.hint_places(self.file_system), limit))

    def mark_unverified(self, place: Place) -> None:
        """Mark a file as unverified, so that the next reconcile pass checks it."""
        # A disk that takes no stamps is not written to, and this process has forgotten the summary.
        with contextlib.suppress(OSError):
            self._forget_summary(place)

    def check_summary(self, volume: VolumeId, shard: str, files: tuple[ListedFile, ...]) -> None:
        """Compare the summary of a shard with its listing, and forget it if it differs."""
        self._summaries.check(volume, shard, files)

    def load_state(self, name: str) -> bytes:
        """Return a saved state of the upkeep, empty without any."""
        try:
            with opened(self.file_system, name) as file:
                return file.read()
        except (NotFound, Corrupt, OSError):
            return b""

    def _forget_summary(self, place: Place) -> None:
        """Forget the summary of a shard, because the recorded digest of a file has changed."""
        if place.hint_for is None:
            volume, _, shard = directory_of(place.path).partition("/")
            self._summaries.forget(VolumeId(int(volume)), shard)

    def take_only(self, volumes: Collection[VolumeId]) -> None:
        """Take new files of these volumes only. Others of the disk take tombstones."""
        taking = self._volumes.intersection(volumes)
        self._taking &= taking
        self._taking |= taking

    def _require_taking(self, place: Place) -> None:
        self._require_mirror(place)
        if place.hint_for is None and (volume := volume_of(place.file)) not in self._taking:
            raise NotAMirror(f"volume {volume} is on other nodes by now")

    def _require_mirror(self, place: Place) -> None:
        if place.hint_for is None:
            self._require_volume(volume_of(place.file))

    def _require_volume(self, volume: VolumeId) -> None:
        if volume not in self._volumes:
            raise NotAMirror(f"this node is not a mirror of volume {volume}")
