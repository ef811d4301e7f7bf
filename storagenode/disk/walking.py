"""What a disk has below a directory, and what of it is held for other nodes."""

import contextlib
import itertools
from collections.abc import Iterator

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import digest_noted
from storagenode.protocol.layout import OWED, OwedFile, Place
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


def owed_places(file_system: FileSystem, home: NodeId | None = None) -> Iterator[Place]:
    """The places of the files held for other nodes, or for one of them."""
    for path in files_below(file_system, f"{OWED}/{home}" if home else OWED):
        owed_to, _, photo_path = path.removeprefix(f"{OWED}/").partition("/")
        with contextlib.suppress(InvalidPath):
            yield Place(parse_path(photo_path), NodeId(owed_to))


def owed_files(file_system: FileSystem, limit: int, home: NodeId | None = None) -> list[OwedFile]:
    """Up to so many of those files, with what is noted of them."""
    found = []
    for place in itertools.islice(owed_places(file_system, home), limit):
        # One that is settled meanwhile is not owed any more.
        with contextlib.suppress(FileNotFoundError):
            size = file_system.stat(place.path).bytes
            found.append(OwedFile(place, size, digest_noted(file_system, place.path)))
    return found
