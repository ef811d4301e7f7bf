"""Dropping of a volume that other nodes have: its files move to the trash, shard by shard.

There they are like deleted ones: erasures find them, and the retention of the trash ends them.
"""

from runtime.crashpoint import crashpoint
from storagenode.disk.directories import DurableDirectories
from storagenode.disk.filesystem import FileSystem
from storagenode.disk.walking import names_in
from storagenode.protocol.layout import trash_path
from volumes.photo_path import SHARDS, VolumeId


def move_volume_to_trash(
    file_system: FileSystem, directories: DurableDirectories, volume: VolumeId, *, day: str
) -> None:
    """Move a volume to the trash of a day; return when that is durable.

    A crash leaves a volume with fewer files, which can be dropped again: its marker goes last. A
    tombstone that is written meanwhile moves as well.
    """
    while shards := sorted(set(names_in(file_system, str(volume))).intersection(SHARDS)):
        for shard in shards:
            _move_shard(file_system, directories, f"{volume}/{shard}", day)
            crashpoint("shard_dropped")
    for name in names_in(file_system, str(volume)):
        file_system.unlink(f"{volume}/{name}")
    file_system.remove_directory(str(volume))
    file_system.fsync_directory(".")
    directories.forget(str(volume))


def _move_shard(
    file_system: FileSystem, directories: DurableDirectories, shard: str, day: str
) -> None:
    # An empty shard costs no fsync: a small volume has a thousand of them.
    if names := names_in(file_system, shard):
        target = trash_path(day, shard)
        directories.make_parents_of(f"{target}/x")
        for name in names:
            _move(file_system, f"{shard}/{name}", f"{target}/{name}")
        file_system.fsync_directory(target)
        file_system.fsync_directory(shard)
    file_system.remove_directory(shard)


def _move(file_system: FileSystem, path: str, target: str) -> None:
    try:
        file_system.rename(path, target)
    except FileNotFoundError:
        # A delete has moved it.
        if file_system.exists(path):
            raise
