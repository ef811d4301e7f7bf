"""Reading files back, with the digest they were written with compared before a byte is believed."""

import contextlib
from collections.abc import Iterator

from storagenode.disk.filesystem import FileSystem
from storagenode.open_file import OpenFile
from storagenode.protocol.errors import NotFound


@contextlib.contextmanager
def opened(file_system: FileSystem, path: str) -> Iterator[OpenFile]:
    """The file at a path, open for as long as the block lasts.

    Raises:
        NotFound: There is no such file.
    """
    file = open_file(file_system, path)
    try:
        yield file
    finally:
        file_system.close(file.handle)


def open_file(file_system: FileSystem, path: str) -> OpenFile:
    """The file at a path; the caller closes its handle.

    Raises:
        NotFound: There is no such file.
    """
    try:
        handle = file_system.open_to_read(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{path} is not there") from None
    try:
        stat = file_system.stat_open(handle)
        return OpenFile(path, handle, stat, file_system.digest_open(handle), file_system)
    except BaseException:
        file_system.close(handle)
        raise


def recorded_digest(file_system: FileSystem, path: str) -> str:
    """The digest noted on a file; empty when it is missing."""
    handle = file_system.open_to_read(path)
    try:
        return file_system.digest_open(handle) or ""
    finally:
        file_system.close(handle)
