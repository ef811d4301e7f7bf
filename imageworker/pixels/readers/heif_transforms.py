"""Crop, turns, and mirrors of a HEIF item, in their order, as one crop and one orientation."""

import math
import struct
from collections.abc import Sequence

from storagemaster.image_header.boxes import Box

Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""

# EXIF's orientations as what they do to a point: (x, y) becomes (a x + b y, c x + d y).
_Matrix = tuple[int, int, int, int]
_MATRICES: dict[int, _Matrix] = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, -1, 1, 0),
    7: (0, -1, -1, 0),
    8: (0, 1, -1, 0),
}
_ORIENTATIONS = {matrix: orientation for orientation, matrix in _MATRICES.items()}
_INVERSES = {6: 8, 8: 6}
# Quarter turns counterclockwise, and the two directions of a mirror.
_TURNS = (1, 8, 3, 6)
_MIRRORS = (4, 2)


def reduce_transforms(properties: Sequence[Box], width: int, height: int) -> tuple[Rectangle, int]:
    """Return the part of the stored pixels that is shown, and the orientation that then applies.

    Raises:
        HeadTooShort: A property is too short.
    """
    shown, orientation = (0, 0, width, height), 1
    for kind, content in properties:
        if kind == b"irot":
            orientation = _after(orientation, _TURNS[content.big(0, 1) & 3])
        elif kind == b"imir":
            orientation = _after(orientation, _MIRRORS[content.big(0, 1) & 1])
        elif kind == b"clap":
            left, top, right, bottom = shown
            edges = _turn((0, 0, right - left, bottom - top), orientation, shown)
            crop = _aperture(content.take(0, 32), edges[2], edges[3])
            within = _turn(crop, _INVERSES.get(orientation, orientation), edges)
            shown = left + within[0], top + within[1], left + within[2], top + within[3]
    return shown, orientation


def _after(first: int, second: int) -> int:
    """Return the orientation that does one after the other."""
    a, b, c, d = _MATRICES[first]
    p, q, r, s = _MATRICES[second]
    return _ORIENTATIONS[p * a + q * c, p * b + q * d, r * a + s * c, r * b + s * d]


def _turn(part: Rectangle, orientation: int, whole: Rectangle) -> Rectangle:
    """Return where a part of a picture is once the whole is turned to an orientation."""
    a, b, c, d = _MATRICES[orientation]
    width, height = whole[2] - whole[0], whole[3] - whole[1]
    corners = [
        (
            a * x + b * y - min(0, a * width + b * height),
            c * x + d * y - min(0, c * width + d * height),
        )
        for x, y in (part[:2], part[2:])
    ]
    (left, top), (right, bottom) = corners
    return min(left, right), min(top, bottom), max(left, right), max(top, bottom)


def _aperture(content: bytes, width: int, height: int) -> Rectangle:
    """Return what a clean aperture leaves of a picture: all of it if it is invalid."""
    numbers = struct.unpack(">IIIIiIiI", content)
    if 0 in numbers[1::2] or 0 in (numbers[0], numbers[2]):
        return 0, 0, width, height
    across, down = (
        min(edge, max(1, round(numbers[at] / numbers[at + 1])))
        for edge, at in ((width, 0), (height, 2))
    )
    # libheif rounds half a pixel to the left and to the bottom.
    left = math.floor((width - across) / 2 + numbers[4] / numbers[5])
    top = math.floor((height - down) / 2 + numbers[6] / numbers[7] + 0.5)
    left, top = min(max(0, left), width - across), min(max(0, top), height - down)
    return left, top, left + across, top + down
