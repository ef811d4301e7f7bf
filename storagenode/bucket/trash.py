"""The trash of a bucket: lookup of a photo, and removal of days whose retention has ended."""

from storagenode.bucket.bucket import Bucket
from storagenode.disk.lifecycle.trash import ended_days, is_day
from storagenode.protocol.layout import TRASH, TrashedFile, trash_path
from volumes.photo_id import PhotoId
from volumes.photo_path import VolumeId, parse_name, shard_of


def days_in_trash(bucket: Bucket) -> list[str]:
    """Return the days in the trash, the latest first."""
    return sorted(filter(is_day, bucket.folders(f"{TRASH}/")), reverse=True)


def trashed_objects(bucket: Bucket, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
    """Return the files of a photo in the trash, the latest day first."""
    found = []
    for day in days_in_trash(bucket):
        objects = bucket.objects(trash_path(day, f"{volume}/{shard_of(photo)}/{photo}"))
        paths = [each.path for each in objects]
        for path, metadata in zip(paths, bucket.map_parallel(bucket.head, paths), strict=True):
            if metadata is not None:  # deleted after the listing
                file = parse_name(volume, path.rpartition("/")[2])
                found.append(TrashedFile(file, day, metadata.bytes, metadata.digest or ""))
    return found


def empty_bucket_trash(bucket: Bucket, *, now_seconds: float, retention_days: int) -> int:
    """Remove files deleted before the retention; return their number."""
    days = ended_days(days_in_trash(bucket), now_seconds=now_seconds, retention_days=retention_days)
    paths = [each.path for day in days for each in bucket.objects(f"{TRASH}/{day}/")]
    bucket.map_parallel(bucket.delete, paths)
    return len(paths)
