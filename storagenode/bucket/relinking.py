"""Relinking of a photo under another version in a bucket, by copies that the server makes."""

from dataclasses import replace

from storagenode.bucket.bucket import Bucket
from storagenode.bucket.publishing import BucketPublisher
from storagenode.disk.lifecycle.relinking import VersionFile, files_to_relink
from storagenode.protocol.errors import Corrupt, Gone
from volumes.photo_id import Version
from volumes.photo_path import (
    Failure,
    Info,
    PhotoVersion,
    Variant,
    parse_path,
    render_path,
    render_stem,
)


def relink_objects(
    bucket: Bucket,
    publisher: BucketPublisher,
    photo_version: PhotoVersion,
    version: Version,
    *,
    original_only: bool,
    is_offloaded: bool,
) -> tuple[str, ...]:
    """Copy every file of a version to the same name with another version; return the new paths.

    The contract is that of `disk.relinking.relink`. If a tombstone is written meanwhile, the
    copies are deleted.
    """
    new = replace(photo_version, version=version)
    for each in (photo_version, new):
        publisher.raise_if_deleted(Info(each))
    files = _files_of(bucket, photo_version)
    files = files_to_relink(
        photo_version, files, original_only=original_only, is_offloaded=is_offloaded
    )

    def copy(file: VersionFile) -> str:
        source, target = render_path(file), render_path(replace(file, photo_version=new))
        metadata = bucket.head(source)
        if metadata is None or not metadata.digest:
            raise Corrupt(f"{source} has no recorded digest, so its bytes cannot be verified")
        existing = bucket.head(target)
        if existing is None or (
            existing.digest == metadata.digest and metadata.mtime_seconds < existing.mtime_seconds
        ):
            bucket.copy(source, target)
        publisher.mark_changed(target)
        return target

    # Infos last, because an info promises that the other files exist.
    paths = bucket.map_parallel(copy, [file for file in files if not isinstance(file, Info)])
    paths += [copy(file) for file in files if isinstance(file, Info)]
    try:
        publisher.raise_if_deleted(Info(new))
    except Gone:
        bucket.map_parallel(bucket.delete, paths)
        raise
    return tuple(paths)


def _files_of(bucket: Bucket, photo_version: PhotoVersion) -> list[VersionFile]:
    files = (parse_path(each.path) for each in bucket.objects(render_stem(photo_version)))
    return [file for file in files if isinstance(file, Variant | Info | Failure)]
