r"""Removal of positions (GPS) from an original, in place: no other byte moves or changes.

Positions are found by their signatures, wherever they are: in EXIF of every format, with the second
images of a JPEG; in XMP; in text chunks of PNG; and in a video that a phone has appended.
Everything is untrusted: a damaged directory loses only what it lists as a position.

    EXIF       the entries of the GPS directory, and their values, become zeros
    XMP        the values of properties such as exif:GPSLatitude become spaces
    PNG        a compressed text chunk that has a position becomes an empty comment
    video      coordinates as in ISO 6709 become spaces
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
_TEXT_BYTES_MAX = 4 * 1024 * 1024

_TIFF_STARTS = (b"II*\0", b"MM\0*")
_TIFF = rb"(?:II\*\0|MM\0\*)"
_EXIF = re.compile(rb"(?:Exif\0\0|EXIF[\s\S]{4}|eXIf|\0\0\0\0)(?=" + _TIFF + rb")")
_XMP_ATTRIBUTE = re.compile(rb""":[Gg][Pp][Ss]\w{0,40}\s{0,10}=\s{0,10}(["'])([^"'<]{0,200})\1""")
_XMP_ELEMENT = re.compile(rb"<([\w-]{1,40}:[Gg][Pp][Ss]\w{0,40})[^>]{0,200}>([^<]{0,200})</\1>")
_ISO_6709 = re.compile(
    rb"[+-]\d{2,6}\.\d{2,12}[+-]\d{3,7}\.\d{2,12}(?:[+-]\d{1,12}(?:\.\d{1,12})?)?(?:CRS\w{0,32})?/"
)
_GPS_WORD = re.compile(rb"gps", re.IGNORECASE)
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_TEXT = {b"tEXt", b"zTXt", b"iTXt"}
_PNG_COMMENT = b"Comment\0"


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
    found = _EXIF.finditer(data)
    for match in itertools.islice(found, _BLOCKS_MAX):
        yield match.end(), min(len(data), match.end() + _EXIF_BYTES_MAX)


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
        if length > 4 and start + 8 <= value and value + length <= end:
            data[value : value + length] = bytes(length)
        data[at : at + 12] = bytes(12)
        is_changed = True
    if is_changed:
        data[directory : directory + 2] = bytes(2)
    return is_changed


def _xmp_spans(data: Editable) -> Iterator[tuple[int, int]]:
    for pattern in (_XMP_ATTRIBUTE, _XMP_ELEMENT):
        for match in pattern.finditer(data):
            yield match.span(2)


def _video(data: Editable) -> Iterator[tuple[int, int]]:
    for match in _ISO_6709.finditer(data):
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
    is_changed = False
    for start, end in list(_chunks(data)):
        if bytes(data[start - 4 : start]) in _PNG_TEXT and _is_about_position(data[start:end]):
            data[start - 4 : start] = b"tEXt"
            data[start:end] = _PNG_COMMENT[: end - start].ljust(end - start)
            is_changed = True
    return is_changed


def _is_about_position(content: bytes | bytearray) -> bool:
    """Return True if a text chunk has a position, or raw EXIF, which can have one."""
    keyword, _, text = bytes(content).partition(b"\0")
    if keyword.lower().startswith(b"raw profile type") and b"iptc" not in keyword.lower():
        return True
    if not keyword.startswith(b"XML:") or text[:1] != b"\1":
        return False
    compressed = text[2:].split(b"\0", 2)[-1]
    try:
        plain = zlib.decompressobj().decompress(compressed, _TEXT_BYTES_MAX)
    except zlib.error:
        return True
    return _GPS_WORD.search(plain) is not None


def _renew_checksums(data: Editable) -> None:
    for start, end in _chunks(data):
        data[end : end + 4] = zlib.crc32(data[start - 4 : end]).to_bytes(4, "big")
