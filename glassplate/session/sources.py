"""Sources of uploads (a file, bytes, or chunks) as bodies of known length."""

import hashlib
import os
import stat
from collections.abc import AsyncIterable, AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from glassplate.errors import UnusableSource, UsageError

if TYPE_CHECKING:
    import asyncio

CHUNK_BYTES = 256 * 1024
# Up to this size, a file is read into memory once, and retries send it from there.
MEMORY_BYTES_MAX = 1024 * 1024
# A longer body is sent in parts, which continue after a lost connection.
WHOLE_BYTES_MAX = 8 * 1024 * 1024
# A part of a stream is kept in memory until the cluster has stored it.
STREAM_PART_BYTES = 8 * 1024 * 1024
# The digest precedes the body, so a file is read twice. Up to this size, the second read comes from
# the page cache. A larger file is not hashed first; its digest is compared with the receipt.
HASHED_FIRST_BYTES_MAX = 64 * 1024 * 1024

Source = Path | str | bytes | AsyncIterable[bytes]
"""The path of a file, bytes, or chunks of bytes with a declared total length."""


class Body(Protocol):
    """The body of a request, or of the requests that send its parts."""

    length: int
    sha256: str | None
    """The digest in hex, or None if it is not known before the first byte is sent."""
    part_bytes_max: int | None
    """The longest part that can be sent again, or None for any length."""

    def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes from `start`, up to `stop` or the end of the source.

        The bytes before `start` are not needed any more.

        Raises:
            UnusableSource: The source cannot be read to its end.
        """

    def close(self) -> None:
        """Read nothing more."""


async def open_source(
    source: Source, length: int | None, sha256: str | None = None, *, hashed_first: bool = False
) -> Body:
    """Open a source as a body. `length` is the total length of chunks, in bytes.

    A known `sha256` is declared, and a source in memory is compared with it. With `hashed_first`, a
    file of any length is hashed.

    Raises:
        UnusableSource: The source is missing, empty, not a file, of unknown length, or has another
            digest. A long stream has no digest that could be hashed first.
    """
    import asyncio

    if isinstance(source, str):
        source = Path(source)
    # Reading and hashing must not block other uploads.
    if isinstance(source, Path):
        hashed_bytes_max = None if hashed_first else HASHED_FIRST_BYTES_MAX
        body: Body = await asyncio.to_thread(_open_file, source, sha256, hashed_bytes_max)
    elif isinstance(source, bytes):
        body = await asyncio.to_thread(MemoryBody, source)
    elif length is None:
        raise UnusableSource("chunks need a declared length: use put(chunks, length=...)")
    elif length <= WHOLE_BYTES_MAX:
        streamed = CountingBody(StreamBody(source, length))
        body = MemoryBody(b"".join([chunk async for chunk in streamed.chunks()]))
    else:
        body = StreamBody(source, length)
    name = source if isinstance(source, Path) else "the source"
    if body.length == 0:
        raise UnusableSource(f"{name} is empty: nothing to upload")
    body.sha256 = body.sha256 or sha256
    if hashed_first and body.sha256 is None:
        raise UnusableSource("a long stream has no digest before it is sent: declare its sha256")
    if sha256 not in {None, body.sha256}:
        raise UnusableSource(f"{name} has SHA-256 {body.sha256}, expected {sha256}; it has changed")
    return body


class MemoryBody:
    """A body in memory."""

    part_bytes_max: int | None = None

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)
        self.sha256: str | None = hashlib.sha256(data).hexdigest()

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes in chunks, so that progress is visible."""
        end = self.length if stop is None else stop
        for first in range(start, end, CHUNK_BYTES):
            yield self._data[first : min(first + CHUNK_BYTES, end)]

    def close(self) -> None:
        """Do nothing: all bytes were read before."""


class FileBody:
    """A file that is read for each attempt."""

    part_bytes_max: int | None = None

    def __init__(self, path: Path, *, length: int, sha256: str | None) -> None:
        self._path = path
        self.length = length
        self.sha256 = sha256

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes of the file."""
        import asyncio

        def read(position: int) -> bytes:
            room = CHUNK_BYTES if stop is None else min(CHUNK_BYTES, stop - position)
            return file.read(room)

        try:
            file = await asyncio.to_thread(self._path.open, "rb")
            with file:
                file.seek(start)
                while chunk := await asyncio.to_thread(read, start):
                    yield chunk
                    start += len(chunk)
        except OSError as error:
            raise _unreadable(self._path, error) from error

    def close(self) -> None:
        """Do nothing: each attempt closes the file."""


class StreamBody:
    """Chunks that can be read once. The part that is being sent is kept in memory."""

    part_bytes_max: int | None = STREAM_PART_BYTES

    def __init__(self, source: AsyncIterable[bytes], length: int) -> None:
        self._source = aiter(source)
        self._next: asyncio.Task[bytes] | None = None
        self._kept = bytearray()
        self._kept_from = 0
        self.length = length
        self.sha256: str | None = None

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes from `start`, which are kept or not read yet."""
        if start < self._kept_from:
            raise UnusableSource(
                f"the cluster lost bytes that it had acknowledged, from {start} on, and the "
                "source cannot be read again; upload it again"
            )
        del self._kept[: start - self._kept_from]
        self._kept_from = start
        position = 0
        while stop is None or start + position < stop:
            if position == len(self._kept):
                chunk = await self._read()
                if not chunk:
                    return
                self._kept += chunk
            end = (
                position + CHUNK_BYTES
                if stop is None
                else min(position + CHUNK_BYTES, stop - start)
            )
            piece = bytes(self._kept[position:end])
            yield piece
            position += len(piece)

    async def _read(self) -> bytes:
        """Return the next chunk. A request that is cancelled leaves it to the next request."""
        import asyncio

        if self._next is None:
            self._next = asyncio.ensure_future(_next_of(self._source))
        chunk = await asyncio.shield(self._next)
        self._next = None
        return chunk

    def close(self) -> None:
        """Stop reading the source."""
        if self._next is not None:
            self._next.cancel()


async def _next_of(source: AsyncIterator[bytes]) -> bytes:
    """Return the next chunk that is not empty, or no bytes at the end."""
    async for chunk in source:
        if chunk:
            return chunk
    return b""


class RunningDigest:
    """The SHA-256 of a body, whose bytes can be sent more than once."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()
        self._bytes = 0

    def add(self, offset: int, chunk: bytes) -> None:
        """Add the bytes at an offset, as far as they are new."""
        new = chunk[max(0, self._bytes - offset) :]
        if new and offset <= self._bytes:
            self._hasher.update(new)
            self._bytes += len(new)

    def of(self, length: int) -> str | None:
        """Return the digest in hex of a body of this length, or None if not all of it was sent."""
        return self._hasher.hexdigest() if self._bytes == length else None


class CountingBody:
    """The bytes of a body that one request sends, counted, and held to the declared length.

    `fault` is the error of the source. An HTTP client may replace it by an error of its own.
    """

    def __init__(
        self,
        body: Body,
        on_chunk: Callable[[int], None] | None = None,
        *,
        start: int = 0,
        digest: RunningDigest | None = None,
    ) -> None:
        self._body = body
        self._on_chunk = on_chunk
        self._start = start
        self._digest = digest
        self.end = body.length
        """The offset behind the last byte."""
        if body.part_bytes_max is not None:
            self.end = min(body.length, start + body.part_bytes_max)
        self.length = self.end - start
        self.bytes_sent = 0
        self.fault: Exception | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes. Raise `UnusableSource` if the source has more or fewer."""
        # The last part is read to the end of the source, to find out that it is longer.
        stop = None if self.end == self._body.length else self.end
        try:
            async for chunk in self._body.chunks(self._start, stop):
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
        if self.bytes_sent + len(chunk) > self.length:
            raise self._wrong_length("it has at least", len(chunk))
        if self._digest is not None:
            self._digest.add(self._start + self.bytes_sent, chunk)
        self.bytes_sent += len(chunk)
        if self._on_chunk:
            self._on_chunk(self._start + self.bytes_sent)

    def _end(self) -> None:
        if self.bytes_sent < self.length:
            raise self._wrong_length("it has")

    def _wrong_length(self, what: str, more_bytes: int = 0) -> UnusableSource:
        return UnusableSource(
            f"length mismatch: the source must have {self._body.length} bytes, but {what} "
            f"{self._start + self.bytes_sent + more_bytes}"
        )


def _open_file(path: Path, sha256: str | None, hashed_bytes_max: int | None) -> Body:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnusableSource(f"{path} is not a file")
            if status.st_size <= MEMORY_BYTES_MAX:
                return MemoryBody(file.read())
            digest = sha256
            is_hashed = hashed_bytes_max is None or status.st_size <= hashed_bytes_max
            if digest is None and is_hashed:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            return FileBody(path, length=status.st_size, sha256=digest)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UnusableSource(f"cannot read {path}: {error.strerror or error}")
