"""PNG, read without what is beside its pixels: a chunk there never costs the photo.

Pillow is given the chunks that make pixels, and nothing else. The color profile and the EXIF are
parsed here, with limits of their own, and are left out if they are damaged.
"""

import io
import struct
import zlib
from bisect import bisect_right
from collections.abc import Container, Iterator
from dataclasses import dataclass

from PIL import Image, ImageChops, PngImagePlugin

_SIGNATURE_BYTES = 8
_CHUNK_BYTES = 12
# Profiles with color tables, as scanners and printers have them, are one or two megabytes.
PROFILE_BYTES_MAX = 16 * 1024 * 1024
EXIF_BYTES_MAX = 1024 * 1024

_ANIMATION_CONTROL = b"acTL"
_ANIMATION = frozenset({_ANIMATION_CONTROL, b"fcTL", b"fdAT"})
_GRAY, _RGB, _PALETTE = 0, 2, 3
_HEADER = struct.Struct(">IIBB")
_FRAME = struct.Struct(">IIIII")
_EIGHT_BITS = 8


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    start: int
    end: int

    @property
    def content(self) -> slice:
        return slice(self.start + 8, self.end - 4)


@dataclass(slots=True)
class _Sorted:
    """A PNG's chunks by what they are for."""

    kept: list[_Chunk]
    profile: bytes | None = None
    exif: bytes | None = None
    transparency: bytes | None = None


class PngReader(PngImagePlugin.PngImageFile):
    """A PNG. The color that is transparent is compared at the depth of the file."""

    def __init__(self, original: bytes) -> None:
        parts = _sort_chunks(original)
        self._original = original
        self._key = _transparent_color(original, parts.transparency)
        super().__init__(_Pieces(original, parts.kept))
        if parts.profile is not None:
            self.info["icc_profile"] = parts.profile
        if parts.exif is not None:
            self.info["exif"] = parts.exif
        if self._key is not None and self._depth <= _EIGHT_BITS:
            # Pillow scales the samples to 8 bits, and leaves the color that they are compared to.
            scale = 255 // ((1 << self._depth) - 1)
            key = tuple((value & ((1 << self._depth) - 1)) * scale for value in self._key)
            self.info["transparency"] = key if len(key) > 1 else key[0]

    @property
    def _depth(self) -> int:
        return self._original[24]

    def load_end(self) -> None:
        """Make of a transparent color of 16 bits an alpha channel."""
        super().load_end()
        if self._key is None or self._depth <= _EIGHT_BITS or self.is_animated:
            return
        # The samples' high and low bytes, each decoded as if they were the whole.
        high, low = self._decoded_as("L;16B", "RGB;16B"), self._decoded_as("L;16", "RGB;16L")
        is_key = Image.new("L", self.size, 255)
        for value, highs, lows in zip(self._key, high.split(), low.split(), strict=True):
            for part, band in ((value >> 8, highs), (value & 0xFF, lows)):
                equal = band.point([255 if level == part else 0 for level in range(256)])
                is_key = ImageChops.darker(is_key, equal)
        high.putalpha(ImageChops.invert(is_key))
        self.im = high.im
        self._mode = high.mode

    def _decoded_as(self, gray: str, color: str) -> Image.Image:
        parts = _sort_chunks(self._original)
        with PngImagePlugin.PngImageFile(_Pieces(self._original, parts.kept)) as image:
            is_gray = self._key is not None and len(self._key) == 1
            image._mode = "L" if is_gray else "RGB"  # noqa: SLF001  the mode its tile decodes to
            image.tile = [tile._replace(args=gray if is_gray else color) for tile in image.tile]
            image.load()
            return image.copy()


def _sort_chunks(original: bytes) -> _Sorted:
    """Choose the chunks that Pillow gets, and parse what is beside the pixels."""
    parts = _Sorted(kept=[])
    is_animated, has_pixels = True, False
    sequence, canvas, colors = 0, (0, 0), 0
    for chunk in _chunks(original):
        content = chunk.content
        has_pixels = has_pixels or chunk.kind == b"IDAT"
        if chunk.kind == b"IHDR":
            canvas = _HEADER.unpack_from(original, content.start)[:2]
        elif chunk.kind == b"PLTE":
            colors = (content.stop - content.start) // 3
        if not chunk.kind[0] & 0x20:
            parts.kept.append(chunk)
        elif chunk.kind in _ANIMATION:
            parts.kept.append(chunk)
            is_numbered = chunk.kind != _ANIMATION_CONTROL
            is_sound = _is_intact(original, chunk) and (
                _is_next_frame(original, chunk, sequence, canvas)
                if is_numbered
                else chunk.end - chunk.start == _CHUNK_BYTES + 8
            )
            sequence += is_numbered
            is_animated = is_animated and is_sound
        elif chunk.kind == b"tRNS" and not has_pixels and parts.transparency is None:
            length = content.stop - content.start
            if length in _transparency_lengths(original, colors) and _is_intact(original, chunk):
                parts.transparency = original[content]
                if original[25] == _PALETTE:
                    parts.kept.append(chunk)
        elif chunk.kind == b"iCCP" and not has_pixels and _is_intact(original, chunk):
            parts.profile = parts.profile or _parse_profile(original[content])
        elif (
            chunk.kind == b"eXIf"
            and content.stop - content.start <= EXIF_BYTES_MAX
            and parts.exif is None
            and _is_intact(original, chunk)
        ):
            parts.exif = original[content]
    if not is_animated:
        parts.kept = [chunk for chunk in parts.kept if chunk.kind not in _ANIMATION]
    return parts


def _transparency_lengths(original: bytes, colors: int) -> Container[int]:
    """Return which lengths of transparency fit the color type and the palette before it."""
    color = original[25] if len(original) > 25 else -1
    return {_GRAY: (2,), _RGB: (6,), _PALETTE: range(1, colors + 1)}.get(color, ())


def _chunks(original: bytes) -> Iterator[_Chunk]:
    """Yield the chunks, the last one as long as the file lets it be."""
    at = _SIGNATURE_BYTES
    while at + 8 <= len(original):
        length, kind = int.from_bytes(original[at : at + 4], "big"), original[at + 4 : at + 8]
        end = at + _CHUNK_BYTES + length
        if end > len(original):
            # What is cut off is cut off for Pillow too, which says so.
            if not kind[0] & 0x20 or kind in _ANIMATION:
                yield _Chunk(kind, at, len(original))
            return
        yield _Chunk(kind, at, end)
        if kind == b"IEND":
            return
        at = end


def _is_intact(original: bytes, chunk: _Chunk) -> bool:
    found = zlib.crc32(memoryview(original)[chunk.start + 4 : chunk.end - 4])
    return found == int.from_bytes(original[chunk.end - 4 : chunk.end], "big")


def _is_next_frame(original: bytes, chunk: _Chunk, sequence: int, canvas: tuple[int, int]) -> bool:
    """Return True if a chunk has the next number, and its frame is on the canvas."""
    content = original[chunk.content][: 1 + _FRAME.size]
    if len(content) < 4 or int.from_bytes(content[:4], "big") != sequence:
        return False
    if chunk.kind == b"fdAT":
        return sequence > 0
    if chunk.end - chunk.start < _CHUNK_BYTES + 26:
        return False
    _, width, height, left, top = _FRAME.unpack_from(content)
    is_inside = left + width <= canvas[0] and top + height <= canvas[1]
    return bool(is_inside and width and height)


def _parse_profile(content: bytes) -> bytes | None:
    """Return the unpacked color profile; None if it is damaged or over the limit."""
    name_end = content.find(b"\0")
    if name_end < 0 or content[name_end + 1 : name_end + 2] != b"\0":
        return None
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(content[name_end + 2 :], PROFILE_BYTES_MAX)
    except zlib.error:
        return None
    return profile if unpacker.eof else None


def _transparent_color(original: bytes, transparency: bytes | None) -> tuple[int, ...] | None:
    """Return the samples of the one color that is transparent, or None."""
    channels = {_GRAY: 1, _RGB: 3}.get(original[25] if len(original) > 25 else -1)
    if transparency is None or channels is None or len(transparency) < 2 * channels:
        return None
    return struct.unpack(f">{channels}H", transparency[: 2 * channels])


class _Pieces(io.BytesIO):
    """A file of the signature and some of the chunks of another, which is not copied."""

    def __init__(self, original: bytes, chunks: list[_Chunk]) -> None:
        super().__init__()
        view = memoryview(original)
        self._pieces: list[tuple[int, memoryview]] = []
        spans = [(0, min(_SIGNATURE_BYTES, len(original)))]
        for chunk in chunks:
            if chunk.start == spans[-1][1]:
                spans[-1] = spans[-1][0], chunk.end
            else:
                spans.append((chunk.start, chunk.end))
        length = 0
        for start, end in spans:
            self._pieces.append((length, view[start:end]))
            length += end - start
        self._length = length
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        """Return the offset."""
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes, as many as there are."""
        end = self._length if size is None or size < 0 else min(self._length, self._at + size)
        found = []
        first = max(0, bisect_right(self._pieces, self._at, key=lambda piece: piece[0]) - 1)
        for start, piece in self._pieces[first:]:
            if start >= end:
                break
            found.append(bytes(piece[max(0, self._at - start) : end - start]))
        self._at = max(self._at, end)
        return b"".join(found)
