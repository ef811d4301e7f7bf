"""Dimensions and orientation from the first directory of a classic TIFF, of either byte order."""

import struct

from storagemaster.image_header.exif import ORIENTATION, UPRIGHT
from storagemaster.image_header.head import Known, Reading, Span, UnusableHeader

# libtiff refuses directories of more.
_ENTRIES_MAX = 4096
_ENTRY_BYTES = 12

_SUBFILE_KIND = 254
_WIDTH = 256
_HEIGHT = 257
_DNG_VERSION = 50706


def read_tiff() -> Reading[int]:
    """Read the directory of the first image, which may be behind all pixels."""
    header = yield Span(0, 8)
    order = "<" if header.startswith(b"II") else ">"
    (directory,) = struct.unpack(f"{order}I", header[4:])
    if directory < 8:
        raise UnusableHeader("the TIFF has no directory")
    if directory >= 10 and (yield Span(8, 2)) == b"CR":
        raise UnusableHeader("the bytes look like a camera raw file (CR2), which is not accepted")
    tags = yield from _read_directory(directory, order)
    if _DNG_VERSION in tags:
        raise UnusableHeader("the bytes look like a camera raw file (DNG), which is not accepted")
    if tags.get(_SUBFILE_KIND, 0) & 1:
        raise UnusableHeader(
            "the TIFF begins with a preview, as camera raw files do, which are not accepted"
        )
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise UnusableHeader("the TIFF's first directory has no width and height")
    yield Known("tif", tags[_WIDTH], tags[_HEIGHT])
    orientation = tags.get(ORIENTATION, UPRIGHT)
    return orientation if 1 <= orientation <= 8 else UPRIGHT


def _read_directory(directory: int, order: str) -> Reading[dict[int, int]]:
    """Return the tags, with the number that an entry holds in place, or 0."""
    (count,) = struct.unpack(f"{order}H", (yield Span(directory, 2)))
    if count > _ENTRIES_MAX:
        raise UnusableHeader(f"the TIFF's first directory has over {_ENTRIES_MAX} entries")
    tags: dict[int, int] = {}
    entries = yield Span(directory + 2, count * _ENTRY_BYTES)
    for tag, kind, _, value in struct.iter_unpack(f"{order}HHI4s", entries):
        tags.setdefault(tag, _number_in_place(order, kind, value))
    return tags


def _number_in_place(order: str, kind: int, value: bytes) -> int:
    match kind:
        case 3:
            return int(struct.unpack_from(f"{order}H", value)[0])
        case 4:
            return int(struct.unpack(f"{order}I", value)[0])
        case _:
            return 0
