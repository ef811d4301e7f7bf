"""Erasures on a disk: a deleted photo is removed from every area, before its trash is emptied."""

import contextlib
from collections.abc import Iterator

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.lifecycle.trash import is_day
from storagenode.disk.walking import names_in
from storagenode.protocol.layout import (
    HINTS,
    QUARANTINE,
    TRASH,
    covered_by,
    directory_of,
    hint_path,
    is_erased_by,
    trash_path,
)
from volumes.cluster import NodeId
from volumes.photo_path import PhotoTombstone, VersionTombstone


def erase_files(file_system: FileSystem, tombstone: PhotoTombstone | VersionTombstone) -> list[str]:
    """Remove the files of a deleted photo from every area; return their paths.

    The names are gone durably on return. Tombstones stay.
    """
    erased = []
    for path in _paths_of(file_system, tombstone):
        with contextlib.suppress(FileNotFoundError):
            file_system.unlink(path)
            erased.append(path)
    for directory in sorted({directory_of(path) for path in erased}):
        file_system.fsync_directory(directory)
    return erased


def _paths_of(
    file_system: FileSystem, tombstone: PhotoTombstone | VersionTombstone
) -> Iterator[str]:
    live, _ = covered_by(tombstone)
    days = filter(is_day, names_in(file_system, TRASH))
    mirrors = map(NodeId, names_in(file_system, HINTS))
    directories = [
        live,
        *(trash_path(day, live) for day in days),
        *(hint_path(mirror, live) for mirror in mirrors),
        QUARANTINE,
    ]
    for directory in directories:
        for name in sorted(names_in(file_system, directory)):
            path = f"{directory}/{name}"
            if is_erased_by(tombstone, path):
                yield path
