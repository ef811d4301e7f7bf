"""Dimensions from the first directory of a classic TIFF in either byte order."""

import struct

from storagemaster.image_header.head import Head, UnusableHeader

# libtiff refuses larger directories.
_ENTRIES_MAX = 4096
_ENTRY_BYTES = 12

_SUBFILE_KIND = 254
_WIDTH = 256
_HEIGHT = 257
_DNG_VERSION = 50706


def tiff_dimensions(head: Head) -> tuple[int, int]:
    """Return width and height of the first image, without applying an orientation tag."""
    order = "<" if head.take(0, 2) == b"II" else ">"
    if head.data[8:10] == b"CR":
        raise UnusableHeader("the bytes look like a camera raw file (CR2), which is not accepted")
    tags = _first_directory(head, order)
    if _DNG_VERSION in tags:
        raise UnusableHeader("the bytes look like a camera raw file (DNG), which is not accepted")
    if tags.get(_SUBFILE_KIND, 0) & 1:
        raise UnusableHeader(
            "the TIFF begins with a preview, as camera raw files do, which are not accepted"
        )
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise UnusableHeader("the TIFF's first directory has no width and height")
    return tags[_WIDTH], tags[_HEIGHT]


def _first_directory(head: Head, order: str) -> dict[int, int]:
    """Return the tags of the first directory. A tag without an inline number has the value 0."""
    (directory,) = struct.unpack(f"{order}I", head.take(4, 4))
    if directory < 8:
        raise UnusableHeader("the TIFF has no directory")
    (count,) = struct.unpack(f"{order}H", head.take(directory, 2))
    if count > _ENTRIES_MAX:
        raise UnusableHeader(f"the TIFF's first directory has over {_ENTRIES_MAX} entries")
    tags: dict[int, int] = {}
    entries = head.take(directory + 2, count * _ENTRY_BYTES)
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
