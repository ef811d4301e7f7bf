"""Dimensions and orientation from the headers of JPEG, PNG, GIF, and WebP."""

import zlib

from storagemaster.image_header.exif import UPRIGHT, parse_exif
from storagemaster.image_header.head import Known, Reading, Span, UnusableHeader, number

# Cameras write a dozen segments, and panoramas with depth maps some hundred.
_JPEG_SEGMENTS_MAX = 1000
# Fill bytes and junk between segments, which are read byte by byte.
_JPEG_JUNK_BYTES_MAX = 64 * 1024
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_END_OF_IMAGE = 0xD9
_JPEG_START_OF_SCAN = 0xDA
_JPEG_APP1 = 0xE1
_JPEG_FRAME_BYTES = 8
_EXIF_PREFIX = b"Exif\0\0"

_EXIF_BYTES_MAX = 1024 * 1024

_GIF_HEADER_BYTES = 13
_GIF_EXTENSION = 0x21
_GIF_IMAGE = 0x2C
_GIF_HAS_PALETTE = 0x80
_GIF_PALETTE_BITS = 0x07

_WEBP_CHUNK = 12
_WEBP_PAYLOAD = 20
_WEBP_EXTENDED_HEADER_BYTES = 30
_WEBP_HAS_EXIF = 0x08
_WEBP_LOSSLESS_SIGNATURE = 0x2F
_WEBP_LOSSY_START_CODE = b"\x9d\x01\x2a"
_WEBP_EDGE_BITS = 14
_WEBP_EDGE_MASK = (1 << _WEBP_EDGE_BITS) - 1


def read_jpeg() -> Reading[int]:
    """Read the frame header, and the EXIF of a segment before the pixels."""
    offset, junk_bytes_left = 2, _JPEG_JUNK_BYTES_MAX
    orientation, has_exif, has_frame = UPRIGHT, False, False
    for _ in range(_JPEG_SEGMENTS_MAX):
        marker, behind = yield from _next_marker(offset, junk_bytes_left)
        junk_bytes_left -= behind - offset - 2
        offset = behind
        if marker in {_JPEG_END_OF_IMAGE, _JPEG_START_OF_SCAN}:
            if not has_frame:
                raise UnusableHeader("the JPEG has no frame header before its pixels")
            return orientation
        if marker in _JPEG_WITHOUT_LENGTH:
            continue
        length = yield from number(offset, 2)
        if length < 2:
            raise UnusableHeader("the JPEG has a segment of impossible length")
        if marker in _JPEG_FRAMES and not has_frame:
            if length < _JPEG_FRAME_BYTES:
                raise UnusableHeader("the JPEG has a frame header that is too short")
            size = yield Span(offset + 3, 4)
            yield Known("jpg", int.from_bytes(size[2:], "big"), int.from_bytes(size[:2], "big"))
            has_frame = True
        elif marker == _JPEG_APP1 and not has_exif:
            segment = yield Span(offset + 2, length - 2)
            if segment.startswith(_EXIF_PREFIX):
                orientation, has_exif = parse_exif(segment).orientation, True
        offset += length
    raise UnusableHeader(f"the JPEG has over {_JPEG_SEGMENTS_MAX} segments before its pixels")


def _next_marker(offset: int, junk_bytes_max: int) -> Reading[tuple[int, int]]:
    """Return the next marker's code and the offset behind it, past fill bytes and junk."""
    before = 0
    for at in range(offset, offset + junk_bytes_max + 2):
        (byte,) = yield Span(at, 1)
        # A zero byte is part of the pixels, and 0xFF one of several fill bytes.
        if before == 0xFF and byte not in {0x00, 0xFF}:
            return byte, at + 1
        before = byte
    raise UnusableHeader(f"the JPEG has over {junk_bytes_max} bytes of junk between its segments")


def read_png() -> Reading[int]:
    """Read the IHDR chunk, which must come first, and the eXIf chunk, wherever it is."""
    header = yield Span(12, 12)
    if header[:4] != b"IHDR":
        raise UnusableHeader("the PNG does not begin with its header chunk")
    yield Known("png", int.from_bytes(header[4:8], "big"), int.from_bytes(header[8:], "big"))
    at = 8 + 12 + 13
    while True:
        chunk = yield Span(at, 8)
        length, kind = int.from_bytes(chunk[:4], "big"), chunk[4:]
        if kind == b"IEND":
            return UPRIGHT
        if kind == b"eXIf" and length <= _EXIF_BYTES_MAX:
            content = yield Span(at + 8, length + 4)
            # Readers leave out a chunk beside the pixels whose check sum is wrong.
            if zlib.crc32(kind + content[:-4]) == int.from_bytes(content[-4:], "big"):
                return parse_exif(content[:-4]).orientation
        at += 12 + length


def read_gif() -> Reading[int]:
    """Read the logical screen, enlarged to the first frame, as browsers and decoders do."""
    header = yield Span(0, _GIF_HEADER_BYTES)
    width, height = int.from_bytes(header[6:8], "little"), int.from_bytes(header[8:10], "little")
    if not width or not height:
        width = height = 0
    at = _GIF_HEADER_BYTES + _palette_bytes(header[10])
    while True:
        (kind,) = yield Span(at, 1)
        if kind == _GIF_IMAGE:
            left, top, across, down = _frame_box((yield Span(at + 1, 8)))
            yield Known("gif", max(width, left + across), max(height, top + down))
            return UPRIGHT
        if kind != _GIF_EXTENSION:
            raise UnusableHeader("the GIF has no frame")
        at += 2
        while length := (yield Span(at, 1))[0]:
            at += 1 + length
        at += 1


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & _GIF_PALETTE_BITS) + 1) if flags & _GIF_HAS_PALETTE else 0


def _frame_box(descriptor: bytes) -> tuple[int, int, int, int]:
    left, top, across, down = (
        int.from_bytes(descriptor[at : at + 2], "little") for at in (0, 2, 4, 6)
    )
    return left, top, across, down


def read_webp() -> Reading[int]:
    """Read the canvas and, behind the pixels, the EXIF that the header announces."""
    match (yield Span(_WEBP_CHUNK, 4)):
        case b"VP8 ":
            yield _lossy_webp((yield Span(_WEBP_PAYLOAD, 10)))
        case b"VP8L":
            yield _lossless_webp((yield Span(_WEBP_PAYLOAD, 5)))
        case b"VP8X":
            header = yield Span(_WEBP_PAYLOAD, 10)
            width, height = (int.from_bytes(header[at : at + 3], "little") + 1 for at in (4, 7))
            yield Known("webp", width, height)
            if header[0] & _WEBP_HAS_EXIF:
                return (yield from _webp_orientation())
        case _:
            raise UnusableHeader("the WebP does not begin with a chunk of an image")
    return UPRIGHT


def _webp_orientation() -> Reading[int]:
    at = _WEBP_EXTENDED_HEADER_BYTES
    while True:
        chunk = yield Span(at, 8)
        length = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"EXIF" and length <= _EXIF_BYTES_MAX:
            return parse_exif((yield Span(at + 8, length))).orientation
        at += 8 + length + length % 2


def _lossy_webp(frame: bytes) -> Known:
    if frame[3:6] != _WEBP_LOSSY_START_CODE:
        raise UnusableHeader("the WebP's first frame is not a key frame")
    # The two bits above each edge are a hint for scaling on a screen, and no part of the size.
    width, height = (int.from_bytes(frame[at : at + 2], "little") for at in (6, 8))
    return Known("webp", width & _WEBP_EDGE_MASK, height & _WEBP_EDGE_MASK)


def _lossless_webp(frame: bytes) -> Known:
    if frame[0] != _WEBP_LOSSLESS_SIGNATURE:
        raise UnusableHeader("the WebP's lossless chunk lacks its signature")
    bits = int.from_bytes(frame[1:], "little")
    width, height = bits & _WEBP_EDGE_MASK, bits >> _WEBP_EDGE_BITS & _WEBP_EDGE_MASK
    return Known("webp", width + 1, height + 1)
