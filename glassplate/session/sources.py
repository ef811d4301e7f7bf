"""Sources of uploads (a file, bytes, or chunks) as bodies of known length."""

import hashlib
import os
import stat
from collections.abc import AsyncIterable, AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

from glassplate.errors import UnusableSource, UsageError

CHUNK_BYTES = 256 * 1024
# Up to this size, a file or stream is read into memory once, and retries send it from there.
MEMORY_BYTES_MAX = 1024 * 1024
# The digest precedes the body, so a file is read twice. Up to this size, the second read comes from
# the page cache. A larger file is not hashed first; its digest is compared with the receipt.
HASHED_FIRST_BYTES_MAX = 64 * 1024 * 1024

Source = Path | str | bytes | AsyncIterable[bytes]
"""The path of a file, bytes, or chunks of bytes with a declared total length."""


class Body(Protocol):
    """The body of a request."""

    length: int
    sha256: str | None
    """The digest in hex, or None if it is not known before the first byte is sent."""
    is_replayable: bool

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield all bytes, from the first.

        Raises:
            UnusableSource: The source cannot be read to its end.
        """


async def open_source(source: Source, length: int | None, sha256: str | None = None) -> Body:
    """Open a source as a body. `length` is the total length of chunks, in bytes.

    A known `sha256` is declared, and a source in memory is compared with it.

    Raises:
        UnusableSource: The source is missing, empty, not a file, of unknown length, or has another
            digest.
    """
    import asyncio

    if isinstance(source, str):
        source = Path(source)
    # Reading and hashing must not block other uploads.
    if isinstance(source, Path):
        body: Body = await asyncio.to_thread(_open_file, source, sha256)
    elif isinstance(source, bytes):
        body = await asyncio.to_thread(MemoryBody, source)
    elif length is None:
        raise UnusableSource("chunks need a declared length: use put(chunks, length=...)")
    elif length <= MEMORY_BYTES_MAX:
        streamed = CountingBody(StreamBody(source, length))
        body = MemoryBody(b"".join([chunk async for chunk in streamed.chunks()]))
    else:
        body = StreamBody(source, length)
    name = source if isinstance(source, Path) else "the source"
    if body.length == 0:
        raise UnusableSource(f"{name} is empty: nothing to upload")
    body.sha256 = body.sha256 or sha256
    if sha256 not in {None, body.sha256}:
        raise UnusableSource(f"{name} has SHA-256 {body.sha256}, expected {sha256}; it has changed")
    return body


class MemoryBody:
    """A body in memory."""

    is_replayable = True

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)
        self.sha256: str | None = hashlib.sha256(data).hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield all bytes in chunks, so that progress is visible."""
        for start in range(0, self.length, CHUNK_BYTES):
            yield self._data[start : start + CHUNK_BYTES]


class FileBody:
    """A file that is read for each attempt."""

    is_replayable = True

    def __init__(self, path: Path, *, length: int, sha256: str | None) -> None:
        self._path = path
        self.length = length
        self.sha256 = sha256

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield all bytes of the file."""
        import asyncio

        try:
            file = await asyncio.to_thread(self._path.open, "rb")
            with file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    yield chunk
        except OSError as error:
            raise _unreadable(self._path, error) from error


class StreamBody:
    """Chunks that can be read once."""

    is_replayable = False

    def __init__(self, source: AsyncIterable[bytes], length: int) -> None:
        self._source = source
        self.length = length
        self.sha256: str | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the chunks of the source."""
        async for chunk in self._source:
            yield chunk


class CountingBody:
    """A body that counts and hashes its bytes, and enforces the declared length.

    `fault` is the error of the source. An HTTP client may replace it by an error of its own.
    """

    def __init__(self, body: Body, on_chunk: Callable[[int], None] | None = None) -> None:
        self._body = body
        self._on_chunk = on_chunk
        self._hasher = hashlib.sha256()
        self.bytes_sent = 0
        self.fault: Exception | None = None

    @property
    def sha256(self) -> str:
        """The digest of the bytes so far, in hex."""
        return self._hasher.hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield all bytes of the body. Raise `UnusableSource` if there are more or fewer."""
        try:
            async for chunk in self._body.chunks():
                self._take(chunk)
                yield chunk
            self._end()
        except OSError as error:
            # Convert it, because the HTTP client treats an OSError as a lost connection.
            self.fault = UnusableSource(f"cannot read the source: {error}")
            raise self.fault from error
        except Exception as error:
            self.fault = error
            raise

    def _take(self, chunk: bytes) -> None:
        self.bytes_sent += len(chunk)
        if self.bytes_sent > self._body.length:
            raise self._wrong_length("it has at least")
        self._hasher.update(chunk)
        if self._on_chunk:
            self._on_chunk(self.bytes_sent)

    def _end(self) -> None:
        if self.bytes_sent < self._body.length:
            raise self._wrong_length("it has")

    def _wrong_length(self, what: str) -> UnusableSource:
        return UnusableSource(
            f"length mismatch: the source must have {self._body.length} bytes, but {what} "
            f"{self.bytes_sent}"
        )


def _open_file(path: Path, sha256: str | None) -> Body:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnusableSource(f"{path} is not a file")
            if status.st_size <= MEMORY_BYTES_MAX:
                return MemoryBody(file.read())
            digest = sha256
            if digest is None and status.st_size <= HASHED_FIRST_BYTES_MAX:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            return FileBody(path, length=status.st_size, sha256=digest)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UnusableSource(f"cannot read {path}: {error.strerror or error}")
