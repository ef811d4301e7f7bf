"""Opening of files on a disk, and their recorded digests."""

import contextlib
from collections.abc import Iterable, Iterator

from storagenode.disk.filesystem import FileSystem
from storagenode.open_file import OpenFile
from storagenode.protocol.errors import Corrupt, NotFound
from volumes.photo_path import PhotoFile, render_path


@contextlib.contextmanager
def opened(file_system: FileSystem, path: str) -> Iterator[OpenFile]:
    """Open the file at a path until the block exits.

    Raises:
        NotFound: The file does not exist.
    """
    file = open_file(file_system, path)
    try:
        yield file
    finally:
        file_system.close(file.handle)


def open_file(file_system: FileSystem, path: str) -> OpenFile:
    """Open the file at a path. The caller closes its handle.

    Raises:
        NotFound: The file does not exist.
    """
    try:
        handle = file_system.open_to_read(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{path} does not exist") from None
    try:
        stat = file_system.stat_open(handle)
        return OpenFile(path, handle, stat, file_system.digest_open(handle), file_system)
    except BaseException:
        file_system.close(handle)
        raise


def recorded_digest(file_system: FileSystem, path: str) -> str:
    """Return the recorded digest of a file, or "" if it has none."""
    handle = file_system.open_to_read(path)
    try:
        return file_system.digest_open(handle) or ""
    finally:
        file_system.close(handle)


def recorded_digests(file_system: FileSystem, files: Iterable[PhotoFile]) -> dict[PhotoFile, str]:
    """Return the recorded digest of each file that exists, "" if it has none."""
    found = {}
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            found[file] = recorded_digest(file_system, render_path(file))
    return found


def read_sound(
    file_system: FileSystem, files: Iterable[PhotoFile]
) -> dict[PhotoFile, tuple[bytes, str]]:
    """Return the bytes and digest of each file that exists and is sound."""
    found = {}
    for file in files:
        with (
            contextlib.suppress(NotFound, Corrupt),
            opened(file_system, render_path(file)) as open_,
        ):
            found[file] = (open_.read(), open_.digest or "")
    return found
