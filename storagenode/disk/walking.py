"""Walks over the files and the hints of a disk."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import recorded_digest
from storagenode.protocol.layout import (
    HINTS,
    QUARANTINE,
    SETTLED,
    TRASH,
    HintFile,
    Place,
    volume_marker,
)
from volumes.cluster import NodeId
from volumes.photo_id import PhotoId
from volumes.photo_path import (
    SHARDS,
    InvalidPath,
    VolumeId,
    parse_name,
    parse_path,
    parse_volume,
    shard_of,
)


def names_in(file_system: FileSystem, directory: str) -> list[str]:
    """Return the names in a directory, none if it does not exist."""
    try:
        return file_system.list(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []


def marked_volumes(file_system: FileSystem) -> set[VolumeId]:
    """Return the volumes below the root that have a marker."""
    found = set()
    for name in file_system.list("."):
        with contextlib.suppress(InvalidPath):
            volume = parse_volume(name)
            if file_system.exists(volume_marker(volume)):
                found.add(volume)
    return found


def shards_in(file_system: FileSystem, volume: VolumeId) -> list[str]:
    """Return the shards of a volume that exist, in the order of all shards."""
    names = set(names_in(file_system, str(volume)))
    return [shard for shard in SHARDS if shard in names]


def find_files(file_system: FileSystem, volumes: Iterable[VolumeId], photo: str) -> list[str]:
    """Return every path of a photo in these volumes and in the hidden areas, sorted.

    A photo id names its shard, so that no other file is looked at, except in the quarantine.
    """
    parents = [str(volume) for volume in volumes]
    for area in (HINTS, TRASH):
        for below in names_in(file_system, area):
            directory = f"{area}/{below}"
            parents += [f"{directory}/{volume}" for volume in names_in(file_system, directory)]
    directories = [f"{parent}/{photo[-2:]}" for parent in parents] + [QUARANTINE, SETTLED]
    found = [(each, name) for each in directories for name in names_in(file_system, each)]
    return sorted(f"{directory}/{name}" for directory, name in found if photo in name)


def files_below(file_system: FileSystem, directory: str) -> Iterator[str]:
    """Yield the paths of all files below a directory, sorted."""
    for name in sorted(names_in(file_system, directory)):
        path = f"{directory}/{name}"
        if "." in name:  # directories in a root have no dot in their names
            yield path
        else:
            yield from files_below(file_system, path)


def hint_places(file_system: FileSystem, mirror: NodeId | None = None) -> Iterator[Place]:
    """Yield the places of all hints, or of the hints for one mirror."""
    for path in files_below(file_system, f"{HINTS}/{mirror}" if mirror else HINTS):
        hint_for, _, photo_path = path.removeprefix(f"{HINTS}/").partition("/")
        with contextlib.suppress(InvalidPath):
            yield Place(parse_path(photo_path), NodeId(hint_for))


def hint_files(file_system: FileSystem, limit: int, mirror: NodeId | None = None) -> list[HintFile]:
    """Return up to `limit` hints with their sizes and digests."""
    return _existing(file_system, itertools.islice(hint_places(file_system, mirror), limit))


def hints_of_photo(file_system: FileSystem, volume: VolumeId, photo: PhotoId) -> list[HintFile]:
    """Return the hints of one photo, for any mirror, without walking through other hints."""
    places = []
    for mirror in sorted(names_in(file_system, HINTS)):
        shard = f"{HINTS}/{mirror}/{volume}/{shard_of(photo)}"
        for name in sorted(names_in(file_system, shard)):
            with contextlib.suppress(InvalidPath):
                if name.startswith(photo):
                    places.append(Place(parse_name(volume, name), NodeId(mirror)))
    return _existing(file_system, places)


def _existing(file_system: FileSystem, places: Iterable[Place]) -> list[HintFile]:
    found = []
    for place in places:
        # Skip hints that are removed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            size = file_system.stat(place.path).bytes
            found.append(HintFile(place, size, recorded_digest(file_system, place.path)))
    return found
