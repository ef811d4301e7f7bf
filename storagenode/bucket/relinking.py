"""A photo under another version, in a bucket: every object copied to its new name by the server."""

from dataclasses import replace

from storagenode.bucket.bucket import Bucket
from storagenode.bucket.publishing import BucketPublisher
from storagenode.protocol.errors import Corrupt, Gone, NotThere
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
    of: PhotoVersion,
    version: Version,
    *,
    original_only: bool,
    is_chilled: bool,
) -> tuple[str, ...]:
    """Copy every file of a version to the same name with another version; the new paths.

    As `relinking.relink`. What a tombstone forbids meanwhile is taken back.
    """
    new = replace(of, version=version)
    for each in (of, new):
        publisher.refuse_if_gone(Info(each))
    files = _files_of(bucket, of)
    originals = [file for file in files if isinstance(file, Variant) and file.is_original]
    if not (originals or (is_chilled and files)):
        raise NotThere(f"{render_stem(of)} has no original here")

    def copy(file: Variant | Info | Failure) -> str:
        source, target = render_path(file), render_path(replace(file, of=new))
        note = bucket.head(source)
        if note is None or not note.digest:
            raise Corrupt(f"{source} has no digest, so that its bytes cannot be believed")
        if bucket.head(target) is None:
            bucket.copy(source, target)
        publisher.has_changed(target)
        return target

    # Infos last: they say that all else is there.
    chosen = originals if original_only else files
    made = bucket.side_by_side(copy, [file for file in chosen if not isinstance(file, Info)])
    made += [copy(file) for file in chosen if isinstance(file, Info)]
    try:
        publisher.refuse_if_gone(Info(new))
    except Gone:
        bucket.side_by_side(bucket.delete, made)
        raise
    return tuple(made)


def _files_of(bucket: Bucket, of: PhotoVersion) -> list[Variant | Info | Failure]:
    files = (parse_path(each.path) for each in bucket.objects(render_stem(of)))
    return [file for file in files if isinstance(file, Variant | Info | Failure)]
