"""What a disk has below a directory, and what of it is held for other nodes."""

import contextlib
import itertools
from collections.abc import Iterator

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import recorded_digest
from storagenode.protocol.layout import HINTS, HintFile, Place
from volumes.cluster import NodeId
from volumes.photo_path import InvalidPath, parse_path


def names_in(file_system: FileSystem, directory: str) -> list[str]:
    """The names in a directory; none if it is not there."""
    try:
        return file_system.list(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []


def files_below(file_system: FileSystem, directory: str) -> Iterator[str]:
    """The paths of all files below a directory, in order."""
    for name in sorted(names_in(file_system, directory)):
        path = f"{directory}/{name}"
        if "." in name:  # no directory of ours has a dot in its name
            yield path
        else:
            yield from files_below(file_system, path)


def hint_places(file_system: FileSystem, mirror: NodeId | None = None) -> Iterator[Place]:
    """The places of the files held for other nodes, or for one of them."""
    for path in files_below(file_system, f"{HINTS}/{mirror}" if mirror else HINTS):
        hint_for, _, photo_path = path.removeprefix(f"{HINTS}/").partition("/")
        with contextlib.suppress(InvalidPath):
            yield Place(parse_path(photo_path), NodeId(hint_for))


def hint_files(file_system: FileSystem, limit: int, mirror: NodeId | None = None) -> list[HintFile]:
    """Up to so many of those files, with what is noted of them."""
    found = []
    for place in itertools.islice(hint_places(file_system, mirror), limit):
        # One that is settled meanwhile is not owed any more.
        with contextlib.suppress(FileNotFoundError):
            size = file_system.stat(place.path).bytes
            found.append(HintFile(place, size, recorded_digest(file_system, place.path)))
    return found
