"""Dropping of a volume that other nodes have: its objects move to the trash, shard by shard.

There they are like deleted ones: erasures find them, and the retention of the trash ends them.
"""

from collections.abc import Callable

from storagenode.bucket.bucket import Bucket
from storagenode.bucket.publishing import BucketPublisher
from volumes.photo_path import VolumeId


def move_objects_to_trash(
    bucket: Bucket,
    publisher: BucketPublisher,
    volume: VolumeId,
    *,
    raise_if_needed: Callable[[], None],
) -> None:
    """Move the objects of a volume to the trash, tombstones after all other files.

    That takes hours if there are millions. An end in between leaves a volume with fewer files,
    which can be dropped again. `raise_if_needed` raises if the volume takes new files by now. It is
    called after each listing, so that no file that came later is moved.
    """
    for moves_tombstones in (False, True):
        for shard in bucket.folders(f"{volume}/"):
            listed = [each.path for each in bucket.objects(f"{volume}/{shard}/")]
            raise_if_needed()
            publisher.move_to_trash(
                [
                    path
                    for path in listed
                    if path.count("/") == 2 and path.endswith(".gone") == moves_tombstones
                ]
            )
