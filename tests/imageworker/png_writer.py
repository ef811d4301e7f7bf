"""PNG writer for files that Pillow cannot write: 16 bits per channel, interlaced, any chunk."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6

# Adam7: first column and row of each pass, and its steps.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(
    width: int, height: int, *, depth: int = 8, color: int = RGB, interlaced: bool = False
) -> bytes:
    """Return the IHDR chunk."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))


def write_png(
    samples: np.ndarray, *, color: int, interlaced: bool = False, extra: bytes = b""
) -> bytes:
    """Return a PNG of height x width x channels samples, 8 or 16 bits by their type."""
    height, width = samples.shape[:2]
    depth = 8 * samples.dtype.itemsize
    raw = b"".join(_passes(samples) if interlaced else _rows(samples))
    return (
        SIGNATURE
        + header(width, height, depth=depth, color=color, interlaced=interlaced)
        + extra
        + chunk(b"IDAT", zlib.compress(raw, 6))
        + chunk(b"IEND", b"")
    )


def _passes(samples: np.ndarray) -> Iterator[bytes]:
    for column, row, across, down in _PASSES:
        part = samples[row::down, column::across]
        if part.size:
            yield from _rows(part)


def _rows(samples: np.ndarray) -> Iterator[bytes]:
    big_endian = np.ascontiguousarray(samples).astype(samples.dtype.newbyteorder(">"))
    for row in big_endian:
        yield b"\0" + row.tobytes()
