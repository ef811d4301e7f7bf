r"""Removal of positions (GPS) from an original, in place: no other byte moves or changes.

Positions are found by their signatures, wherever they are: in EXIF of every format, with the second
images of a JPEG; in XMP; in text chunks of PNG; and in a video that a phone has appended.
Everything is untrusted: a damaged directory loses only what it lists as a position.

    EXIF       the entries of the GPS directory, and their values, become zeros
    XMP        the values of properties such as exif:GPSLatitude become spaces
    PNG        a text chunk that is named or compressed so that it can have a position becomes an
               empty comment
    video      coordinates as in ISO 6709 become spaces

The search takes time in proportion to the length, whatever the bytes are, and goes in short steps,
so that other threads of the process run meanwhile.
"""

import itertools
import mmap
import re
import zlib
from collections.abc import Iterator
from typing import Literal, TypeAlias

from storagemaster.image_header.exif import VALUE_BYTES

_ByteOrder = Literal["little", "big"]

_EXIF_BYTES_MAX = 1024 * 1024
_GPS_POINTER, _EXIF_POINTER = 0x8825, 0x8769
# All tags of a GPS directory are below.
_GPS_TAGS = range(0x20)
# A photo has some dozen entries in one or two blocks. More of them only cost time.
_BLOCKS_MAX = 32
_DIRECTORIES_MAX = 16
_ENTRIES_MAX = 512
# The longest value of a GPS entry. A longer one is damage, and blanking it could cost the pixels.
_VALUE_BYTES_MAX = 64 * 1024
# Compressed text of a whole photo. What does not fit counts as a position.
_TEXT_BYTES_MAX = 4 * 1024 * 1024
# A search holds Python's lock. A step takes about a millisecond.
_STEP_BYTES = 64 * 1024
_MATCH_BYTES_MAX = 1024

_JPEG_EXIF = b"\xff\xe1"
_TIFF_STARTS = (b"II*\0", b"MM\0*")
_TIFF = rb"(?:II\*\0|MM\0\*)"
_EXIF = re.compile(
    rb"(?:Exif\0\0|EXIF[\s\S]{4}|eXIf|8BIM\x04[\x22\x23]\0\0[\s\S]{4}|\0\0\0\0)(?=" + _TIFF + rb")"
)
# Without possessive repeats, hostile text takes a hundred times as long.
_XMP_ATTRIBUTE = re.compile(
    rb""":[Gg][Pp][Ss]\w{0,40}+\s{0,10}+=\s{0,10}+(["'])([^"'<]{0,200}+)\1"""
)
_XMP_ELEMENT = re.compile(rb"<([\w-]{1,40}+:[Gg][Pp][Ss]\w{0,40}+)[^>]{0,200}+>([^<]{0,200}+)</\1>")
_ISO_6709 = re.compile(
    rb"[+-]\d{2,6}\.\d{2,12}[+-]\d{3,7}\.\d{2,12}(?:[+-]\d{1,12}(?:\.\d{1,12})?)?(?:CRS\w{0,32})?/"
)
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_TEXT = {b"tEXt", b"zTXt", b"iTXt"}
_PNG_COMMENT = b"Comment\0"
_RAW_PROFILE = b"raw profile type "
_PROFILES_WITHOUT_POSITION = {b"icc", b"icm", b"iptc"}


Editable: TypeAlias = bytearray | mmap.mmap
"""Bytes that can be changed in place."""


def remove_positions(data: Editable) -> bool:
    """Remove all positions from a photo; return True if it had any."""
    is_png = data[: len(_PNG_MAGIC)] == _PNG_MAGIC
    found = [_blank_tiff(data, start, end) for start, end in list(_exif_blocks(data))]
    found += [_blank_spans(data, spans) for spans in (list(_xmp_spans(data)), list(_video(data)))]
    if is_png:
        found.append(_blank_png_texts(data))
        if any(found):
            _renew_checksums(data)
    return any(found)


def _exif_blocks(data: Editable) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each EXIF block; that of a TIFF is the file."""
    if bytes(data[:4]) in _TIFF_STARTS:
        yield 0, len(data)
    for match in itertools.islice(_matches(_EXIF, data), _BLOCKS_MAX):
        yield match.end(), min(len(data), match.end() + _exif_bytes_max(data, match))


def _exif_bytes_max(data: Editable, match: re.Match[bytes]) -> int:
    """Return how long an EXIF block can be, by the length that its container gives before it."""
    start, name = match.start(), match[0]
    if name.startswith(b"EXIF"):
        return int.from_bytes(name[4:], "little")
    if name == b"eXIf":
        return int.from_bytes(data[max(0, start - 4) : start], "big")
    if name.startswith(b"Exif") and bytes(data[max(0, start - 4) : start - 2]) == _JPEG_EXIF:
        return int.from_bytes(data[start - 2 : start], "big") - 2 - len(name)
    return _EXIF_BYTES_MAX


def _matches(pattern: re.Pattern[bytes], data: Editable) -> Iterator[re.Match[bytes]]:
    """Yield the matches of a pattern, as `finditer` does, in short steps."""
    behind = 0
    for start in range(0, len(data), _STEP_BYTES):
        end = start + _STEP_BYTES
        for match in pattern.finditer(data, max(start, behind), end + _MATCH_BYTES_MAX):
            if match.start() >= end:
                break
            behind = match.end()
            yield match


def _blank_tiff(data: Editable, start: int, end: int) -> bool:
    """Blank the GPS directories that an EXIF block points to."""
    order: _ByteOrder = "little" if data[start : start + 2] == b"II" else "big"

    def number(at: int, count: int) -> int:
        return int.from_bytes(data[at : at + count], order) if at + count <= end else 0

    waiting, seen, is_changed = [start + number(start + 4, 4)], set[int](), False
    while waiting and len(seen) < _DIRECTORIES_MAX:
        directory = waiting.pop()
        if directory in seen or not start + 8 <= directory < end:
            continue
        seen.add(directory)
        count = min(number(directory, 2), _ENTRIES_MAX)
        behind = directory + 2 + 12 * count
        for at in range(directory + 2, min(behind, end - 11), 12):
            target = start + number(at + 8, 4)
            if number(at, 2) == _GPS_POINTER:
                is_changed |= _blank_directory(data, target, start, end, order)
            elif number(at, 2) == _EXIF_POINTER:
                waiting.append(target)
        if behind + 4 <= end and number(behind, 4):
            waiting.append(start + number(behind, 4))
    return is_changed


def _blank_directory(
    data: Editable, directory: int, start: int, end: int, order: _ByteOrder
) -> bool:
    """Blank the entries of a GPS directory, and their values."""
    if not start + 8 <= directory <= end - 2:
        return False
    count = min(int.from_bytes(data[directory : directory + 2], order), _ENTRIES_MAX)
    is_changed = False
    for at in range(directory + 2, min(directory + 2 + 12 * count, end - 11), 12):
        tag, kind = (int.from_bytes(data[i : i + 2], order) for i in (at, at + 2))
        if tag not in _GPS_TAGS or kind not in VALUE_BYTES:
            continue
        length = int.from_bytes(data[at + 4 : at + 8], order) * VALUE_BYTES[kind]
        value = start + int.from_bytes(data[at + 8 : at + 12], order)
        if 4 < length <= _VALUE_BYTES_MAX and start + 8 <= value and value + length <= end:
            data[value : value + length] = bytes(length)
        data[at : at + 12] = bytes(12)
        is_changed = True
    if is_changed:
        data[directory : directory + 2] = bytes(2)
    return is_changed


def _xmp_spans(data: Editable) -> Iterator[tuple[int, int]]:
    for pattern in (_XMP_ATTRIBUTE, _XMP_ELEMENT):
        for match in _matches(pattern, data):
            yield match.span(2)


def _video(data: Editable) -> Iterator[tuple[int, int]]:
    for match in _matches(_ISO_6709, data):
        yield match.span()


def _blank_spans(data: Editable, spans: list[tuple[int, int]]) -> bool:
    is_changed = False
    for start, end in spans:
        if bytes(data[start:end]).strip():
            data[start:end] = b" " * (end - start)
            is_changed = True
    return is_changed


def _chunks(data: Editable) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of the content of each whole chunk of a PNG."""
    at = len(_PNG_MAGIC)
    while at + 12 <= len(data):
        start = at + 8
        end = start + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            return
        yield start, end
        at = end + 4


def _blank_png_texts(data: Editable) -> bool:
    """Turn each text chunk with a position that is not in plain view into an empty comment."""
    is_changed, left = False, _TEXT_BYTES_MAX
    for start, end in list(_chunks(data)):
        kind = bytes(data[start - 4 : start])
        if kind not in _PNG_TEXT:
            continue
        keyword, _, text = bytes(data[start:end]).partition(b"\0")
        plain = _compressed_xmp(kind, keyword, text, bytes_max=left)
        left -= len(plain or b"")
        if _names_position(keyword) or plain is None or b"gps" in plain.lower():
            data[start - 4 : start] = b"tEXt"
            data[start:end] = _PNG_COMMENT[: end - start].ljust(end - start)
            is_changed = True
    return is_changed


def _names_position(keyword: bytes) -> bool:
    """Return True for the keyword of a position, or of raw EXIF or XMP, which can have one."""
    name = keyword.lower()
    if name.startswith(_RAW_PROFILE):
        return name.removeprefix(_RAW_PROFILE) not in _PROFILES_WITHOUT_POSITION
    return b"gps" in name


def _compressed_xmp(kind: bytes, keyword: bytes, text: bytes, *, bytes_max: int) -> bytes | None:
    """Return the XMP in a compressed text chunk, b"" for another chunk, None if it is unknown."""
    is_compressed = kind == b"zTXt" or (kind == b"iTXt" and text[:1] == b"\1")
    if not is_compressed or not keyword.startswith(b"XML:"):
        return b""
    decompression = zlib.decompressobj()
    compressed = text[1:] if kind == b"zTXt" else text[2:].split(b"\0", 2)[-1]
    try:
        plain = decompression.decompress(compressed, max(1, bytes_max))
    except zlib.error:
        return None
    return plain if decompression.eof else None


def _renew_checksums(data: Editable) -> None:
    for start, end in _chunks(data):
        data[end : end + 4] = zlib.crc32(data[start - 4 : end]).to_bytes(4, "big")
