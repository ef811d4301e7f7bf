"""What can be uploaded: a file, bytes, or pieces as they come; each as a body of known length."""

import hashlib
import os
import stat
from collections.abc import AsyncIterable, AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

from glassplate.errors import UnusableSource, UsageError

CHUNK_BYTES = 256 * 1024
# Up to here a file, or a stream, is read into memory once: hashed, sent, and sent again from there.
MEMORY_BYTES_MAX = 1024 * 1024
# The digest stands before the body, so a file is read twice. Up to here the second time comes from
# the page cache; a larger one would wait for its disk twice, and is compared with its receipt only.
HASHED_FIRST_BYTES_MAX = 64 * 1024 * 1024

Source = Path | str | bytes | AsyncIterable[bytes]
"""The path of a file, bytes, or pieces of bytes, whose number of bytes is told beside them."""


class Body(Protocol):
    """What is sent as the body of a request."""

    length: int
    sha256: str | None
    """Hex, if it is known before the first byte is sent."""
    is_replayable: bool

    def chunks(self) -> AsyncIterator[bytes]:
        """All bytes from the first on.

        Raises:
            UnusableSource: They cannot be read to their end.
        """


async def open_source(source: Source, length: int | None) -> Body:
    """The body that a source stands for; `length` is that of pieces, in bytes.

    Raises:
        UnusableSource: It is missing, empty, not a file, or of unknown length.
    """
    import asyncio

    if isinstance(source, str):
        source = Path(source)
    # Reading and hashing take time, which other uploads are to use.
    if isinstance(source, Path):
        body: Body = await asyncio.to_thread(_open_file, source)
    elif isinstance(source, bytes):
        body = await asyncio.to_thread(MemoryBody, source)
    elif length is None:
        raise UnusableSource("the length of the pieces must be told: put(pieces, length=...)")
    elif length <= MEMORY_BYTES_MAX:
        streamed = CountingBody(StreamBody(source, length))
        body = MemoryBody(b"".join([chunk async for chunk in streamed.chunks()]))
    else:
        body = StreamBody(source, length)
    if body.length == 0:
        name = source if isinstance(source, Path) else "the source"
        raise UnusableSource(f"{name} is empty: there is nothing to upload")
    return body


class MemoryBody:
    """Bytes in memory."""

    is_replayable = True

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)
        self.sha256: str | None = hashlib.sha256(data).hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        """All bytes, in pieces, so that progress shows."""
        for start in range(0, self.length, CHUNK_BYTES):
            yield self._data[start : start + CHUNK_BYTES]


class FileBody:
    """A file, read again for each attempt."""

    is_replayable = True

    def __init__(self, path: Path, *, length: int, sha256: str | None) -> None:
        self._path = path
        self.length = length
        self.sha256 = sha256

    async def chunks(self) -> AsyncIterator[bytes]:
        """All bytes of the file."""
        import asyncio

        try:
            file = await asyncio.to_thread(self._path.open, "rb")
            with file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    yield chunk
        except OSError as error:
            raise _unreadable(self._path, error) from error


class StreamBody:
    """Pieces as they come: they come once."""

    is_replayable = False

    def __init__(self, source: AsyncIterable[bytes], length: int) -> None:
        self._source = source
        self.length = length
        self.sha256: str | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces as the source gives them."""
        async for chunk in self._source:
            yield chunk


class CountingBody:
    """A body on its way: counted, hashed, and held to the length that was announced for it.

    `fault` is why the source ended it, which whoever sends the bytes may not pass on.
    """

    def __init__(self, body: Body, on_chunk: Callable[[int], None] | None = None) -> None:
        self._body = body
        self._on_chunk = on_chunk
        self._hasher = hashlib.sha256()
        self.bytes_sent = 0
        self.fault: Exception | None = None

    @property
    def sha256(self) -> str:
        """The digest of what was sent so far, as hex."""
        return self._hasher.hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        """All bytes of the body; raises instead of ending if there are more or fewer."""
        try:
            async for chunk in self._body.chunks():
                self._take(chunk)
                yield chunk
            self._end()
        except OSError as error:
            # Not to be taken for an error of the connection that these bytes go out on.
            self.fault = UnusableSource(f"the source cannot be read: {error}")
            raise self.fault from error
        except Exception as error:
            self.fault = error
            raise

    def _take(self, chunk: bytes) -> None:
        self.bytes_sent += len(chunk)
        if self.bytes_sent > self._body.length:
            raise self._wrong_length("there are at least")
        self._hasher.update(chunk)
        if self._on_chunk:
            self._on_chunk(self.bytes_sent)

    def _end(self) -> None:
        if self.bytes_sent < self._body.length:
            raise self._wrong_length("it ended after")

    def _wrong_length(self, what: str) -> UnusableSource:
        return UnusableSource(
            f"the source was to have {self._body.length} bytes, and {what} {self.bytes_sent}"
        )


def _open_file(path: Path) -> Body:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnusableSource(f"{path} is not a file")
            if status.st_size <= MEMORY_BYTES_MAX:
                return MemoryBody(file.read())
            digest = None
            if status.st_size <= HASHED_FIRST_BYTES_MAX:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            return FileBody(path, length=status.st_size, sha256=digest)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UnusableSource(f"{path} cannot be read: {error.strerror or error}")
