"""The body of an upload as it is stored: as received, or without positions (GPS)."""

import asyncio
import contextlib
import hashlib
import mmap
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from storagemaster.image_header.positions import remove_positions

CHUNK_BYTES = 256 * 1024
STRIPPED = "gps"


@dataclass(frozen=True, slots=True)
class BodyToStore:
    """The bytes of an original, and their SHA-256 once they have been read."""

    chunks: AsyncIterator[bytes]
    digest: Callable[[], str]
    stripped: str = ""
    """`gps` if a position was removed."""


@contextlib.asynccontextmanager
async def without_positions(body: AsyncIterator[bytes]) -> AsyncIterator[BodyToStore]:
    """Receive a body whole, and yield it without positions, in its length.

    The bytes are in a file, so that many uploads at once need no more memory than usual.
    """
    with tempfile.TemporaryFile() as file:
        async for chunk in body:
            file.write(chunk)
        file.flush()
        with mmap.mmap(file.fileno(), 0) as content:
            yield await asyncio.to_thread(_strip, content)


def _strip(content: mmap.mmap) -> BodyToStore:
    had_position = remove_positions(content)
    digest = hashlib.sha256(content).hexdigest()
    return BodyToStore(_chunks(content), lambda: digest, STRIPPED if had_position else "")


async def _chunks(content: mmap.mmap) -> AsyncIterator[bytes]:
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]
