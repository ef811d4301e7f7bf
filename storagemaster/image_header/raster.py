"""Dimensions from the headers of JPEG, PNG, GIF, and WebP."""

import re

from storagemaster.image_header.head import Head, HeadTooShort, UnusableHeader

# Cameras write about ten segments, and panoramas with depth maps about a hundred.
_JPEG_SEGMENTS_MAX = 1000
# The search for this pattern skips fill bytes, stuffed bytes, and junk between segments.
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_END_OF_IMAGE = 0xD9
_JPEG_START_OF_SCAN = 0xDA

_WEBP_CHUNK = 12
_WEBP_PAYLOAD = 20
_WEBP_LOSSLESS_SIGNATURE = 0x2F
_WEBP_LOSSY_START_CODE = b"\x9d\x01\x2a"
_WEBP_EDGE_BITS = 14
_WEBP_EDGE_MASK = (1 << _WEBP_EDGE_BITS) - 1


def jpeg_dimensions(head: Head) -> tuple[int, int]:
    """Return width and height from the frame header, which can follow much metadata."""
    offset = 2
    for _ in range(_JPEG_SEGMENTS_MAX):
        marker, offset = _next_marker(head, offset)
        if marker in _JPEG_FRAMES:
            return head.big(offset + 5, 2), head.big(offset + 3, 2)
        if marker in {_JPEG_END_OF_IMAGE, _JPEG_START_OF_SCAN}:
            raise UnusableHeader("the JPEG has no frame header before its pixels")
        if marker not in _JPEG_WITHOUT_LENGTH:
            offset += _segment_length(head, offset)
    raise UnusableHeader(f"the JPEG has over {_JPEG_SEGMENTS_MAX} segments before its pixels")


def png_dimensions(head: Head) -> tuple[int, int]:
    """Return width and height from the IHDR chunk, which must be the first chunk."""
    if head.take(12, 4) != b"IHDR":
        raise UnusableHeader("the PNG does not begin with its header chunk")
    return head.big(16, 4), head.big(20, 4)


def gif_dimensions(head: Head) -> tuple[int, int]:
    """Return width and height of the logical screen, which contains all frames."""
    return head.little(6, 2), head.little(8, 2)


def webp_dimensions(head: Head) -> tuple[int, int]:
    """Return width and height of the canvas."""
    match head.take(_WEBP_CHUNK, 4):
        case b"VP8 ":
            return _lossy_webp(head)
        case b"VP8L":
            return _lossless_webp(head)
        case b"VP8X":
            return head.little(_WEBP_PAYLOAD + 4, 3) + 1, head.little(_WEBP_PAYLOAD + 7, 3) + 1
        case _:
            raise UnusableHeader("the WebP does not begin with a chunk of an image")


def _next_marker(head: Head, offset: int) -> tuple[int, int]:
    """Return the code of the next marker, and the offset after it."""
    match = _JPEG_MARKER.search(head.data, offset)
    if match is None:
        raise HeadTooShort(max(offset, len(head.data)) + 2)
    return head.data[match.end() - 1], match.end()


def _segment_length(head: Head, offset: int) -> int:
    length = head.big(offset, 2)
    if length < 2:
        raise UnusableHeader("the JPEG has a segment of impossible length")
    return length


def _lossy_webp(head: Head) -> tuple[int, int]:
    if head.take(_WEBP_PAYLOAD + 3, 3) != _WEBP_LOSSY_START_CODE:
        raise UnusableHeader("the WebP's first frame is not a key frame")
    # The upper two bits of each edge are a hint for display scaling, not part of the size.
    width, height = (head.little(_WEBP_PAYLOAD + at, 2) for at in (6, 8))
    return width & _WEBP_EDGE_MASK, height & _WEBP_EDGE_MASK


def _lossless_webp(head: Head) -> tuple[int, int]:
    if head.big(_WEBP_PAYLOAD, 1) != _WEBP_LOSSLESS_SIGNATURE:
        raise UnusableHeader("the WebP's lossless chunk lacks its signature")
    bits = head.little(_WEBP_PAYLOAD + 1, 4)
    return (bits & _WEBP_EDGE_MASK) + 1, (bits >> _WEBP_EDGE_BITS & _WEBP_EDGE_MASK) + 1
