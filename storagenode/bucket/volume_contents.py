"""The contents of the volumes of a bucket, as other mirrors compare them."""

from collections.abc import Iterable

from storagenode.bucket.held_volumes import HeldVolumes
from storagenode.bucket.listing import BucketListings
from storagenode.protocol.files import ListedFile, UnfinishedPhotos, VolumeSummary, names_digest
from volumes.cold_tier import SizeFilter
from volumes.photo_id import PhotoId
from volumes.photo_path import VolumeId
from volumes.photo_shapes import ShapeRule


class BucketContents:
    """Listings and digests of the volumes that a bucket mirrors."""

    _listings: BucketListings
    _held: HeldVolumes

    def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """Return the files of a shard, sorted by name."""
        self._held.require(volume)
        return self._listings.list_shard(volume, shard)

    def shards(self, volume: VolumeId) -> list[str]:
        """Return the shards of a volume that have files, in order."""
        self._held.require(volume)
        return self._listings.shards(volume)

    def tombstone_digests(self, volume: VolumeId) -> dict[str, str]:
        """Return a digest of the names of the tombstones of each shard, from a new listing."""
        self._held.require(volume)
        found = self._listings.tombstones(volume)
        return {shard: names_digest(names) for shard, names in found.items()}

    def tombstones(self, volume: VolumeId, shards: Iterable[str]) -> list[str]:
        """Return the names of all tombstones of some shards from a new listing."""
        self._held.require(volume)
        found = self._listings.tombstones(volume)
        return [name for shard in shards for name in found.get(shard, ())]

    def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """Return the files of one photo, sorted by name."""
        self._held.require(volume)
        return self._listings.list_photo(volume, photo)

    def shard_digests(self, volume: VolumeId, sizes: SizeFilter | None = None) -> dict[str, str]:
        """Return a digest of the names and digests of each shard that has matching files."""
        self._held.require(volume)
        return self._listings.digests(volume, sizes)

    def volume_summary(self, volume: VolumeId) -> VolumeSummary:
        """Return the digest of all files of a volume, and their number and bytes."""
        self._held.require(volume)
        return self._listings.volume_summary(volume)

    def unfinished(self, volume: VolumeId, rule: ShapeRule) -> UnfinishedPhotos:
        """Return the photos of a volume that lack sizes."""
        self._held.require(volume)
        return self._listings.unfinished(volume, rule)
