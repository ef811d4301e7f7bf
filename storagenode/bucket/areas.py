"""All areas of a bucket: search for a photo, and erasure of a deleted one.

A bucket with versioning keeps the bytes of an object that is deleted or overwritten, also of
objects that no listing has any more. An erasure removes these versions.
"""

import itertools
from collections.abc import Iterable

from storagenode.bucket.bucket import Bucket
from storagenode.bucket.trash import days_in_trash
from storagenode.protocol.layout import (
    HINTS,
    QUARANTINE,
    TRASH,
    covered_by,
    is_erased_by,
    trash_path,
)
from volumes.photo_path import PhotoTombstone, VersionTombstone, VolumeId


def find_objects(
    bucket: Bucket, volumes: Iterable[VolumeId], hints: Iterable[str], photo: str
) -> list[str]:
    """Return every path of a photo in these volumes, in hints, trash, and quarantine, sorted."""
    days = days_in_trash(bucket)
    # The trash has files of volumes that this node no longer holds.
    trashed = bucket.map_parallel(lambda day: bucket.folders(trash_path(day, "")), days)
    parents = [
        *map(str, volumes),
        *(
            trash_path(day, volume)
            for day, found in zip(days, trashed, strict=True)
            for volume in found
        ),
    ]

    def paths(prefix: str) -> list[str]:
        return [each.path for each in bucket.objects(prefix)]

    prefixes = [*(f"{parent}/{photo[-2:]}/{photo}" for parent in parents), f"{QUARANTINE}/"]
    found = itertools.chain(hints, *bucket.map_parallel(paths, prefixes))
    return sorted(path for path in found if photo in path.rpartition("/")[2])


def erase_objects(bucket: Bucket, tombstone: PhotoTombstone | VersionTombstone) -> list[str]:
    """Remove a deleted photo from every area, with all versions; return the removed paths.

    A path is returned once for each version. Tombstones stay.
    """
    directory, prefix = covered_by(tombstone)
    prefixes = [f"{directory}/{prefix}", f"{TRASH}/", f"{HINTS}/", f"{QUARANTINE}/"]
    found = [
        (path, version)
        for each in prefixes
        for path, version in bucket.versions(each)
        if is_erased_by(tombstone, path)
    ]
    bucket.map_parallel(lambda each: bucket.delete(*each), found)
    return [path for path, _ in found]
