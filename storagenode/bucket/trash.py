"""The trash in a bucket: what it has of a photo, and emptying it of days that have ended."""

from storagenode.bucket.bucket import Bucket
from storagenode.disk.trash import ended_days, is_day
from storagenode.protocol.layout import TRASH, TrashedFile, trash_path
from volumes.photo_id import PhotoId
from volumes.photo_path import VolumeId, parse_name, shard_of


def days_in_trash(bucket: Bucket) -> list[str]:
    """The days that something was deleted on, last first."""
    return sorted(filter(is_day, bucket.folders(f"{TRASH}/")), reverse=True)


def trashed_objects(bucket: Bucket, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
    """What the trash has of a photo, the day it was deleted on last first."""
    found = []
    for day in days_in_trash(bucket):
        objects = bucket.objects(trash_path(day, f"{volume}/{shard_of(photo)}/{photo}"))
        paths = [each.path for each in objects]
        for path, note in zip(paths, bucket.map_parallel(bucket.head, paths), strict=True):
            if note is not None:  # deleted since it was listed
                file = parse_name(volume, path.rpartition("/")[2])
                found.append(TrashedFile(file, day, note.bytes, note.digest or ""))
    return found


def empty_bucket_trash(bucket: Bucket, *, now_seconds: float, retention_days: int) -> int:
    """Delete what was deleted longer ago than the retention; how many files that were."""
    days = ended_days(days_in_trash(bucket), now_seconds=now_seconds, retention_days=retention_days)
    paths = [each.path for day in days for each in bucket.objects(f"{TRASH}/{day}/")]
    bucket.map_parallel(bucket.delete, paths)
    return len(paths)
