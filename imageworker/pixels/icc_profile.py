"""Colour profiles made by formula: small ICC files for RGB spaces of three primaries and a curve.

The format is ICC.1:2010 (version 4.3), a three-component matrix profile with a parametric curve
and a Bradford adaptation to D50. Hundreds of bytes where the usual files have thousands, which is
what lets every thumbnail carry one.
"""

import struct
from dataclasses import dataclass
from functools import cache

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]
Chromaticity = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class RgbSpace:
    """An RGB space: the chromaticities (x, y) of its primaries and white, and its curve.

    `curve` is what an ICC parametric curve takes: (gamma,) for a power, or (g, a, b, c, d) for
    y = (a x + b) ** g from d upwards, and y = c x below.
    """

    name: str
    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity
    curve: tuple[float, ...]


_D65 = (0.3127, 0.3290)
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

SRGB = RgbSpace(
    name="sRGB",
    red=(0.64, 0.33),
    green=(0.30, 0.60),
    blue=(0.15, 0.06),
    white=_D65,
    curve=_SRGB_CURVE,
)
DISPLAY_P3 = RgbSpace(
    name="P3",
    red=(0.680, 0.320),
    green=(0.265, 0.690),
    blue=(0.150, 0.060),
    white=_D65,
    curve=_SRGB_CURVE,
)
ADOBE_RGB = RgbSpace(
    name="A98C",
    red=(0.64, 0.33),
    green=(0.21, 0.71),
    blue=(0.15, 0.06),
    white=_D65,
    curve=(563 / 256,),
)

_HEADER_BYTES = 128
_TAG_ENTRY_BYTES = 12
_D50: Vector = (0.9642, 1.0, 0.8249)
_BRADFORD: Matrix = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)


@cache
def render_profile(space: RgbSpace) -> bytes:
    """The ICC profile of a space, the same bytes every time."""
    adaptation = _adaptation_to_d50(_xyz_of(space.white))
    columns = _transpose(_multiply(adaptation, _rgb_to_xyz(space)))
    curve = _curve_tag(space.curve)
    return _assemble(
        {
            b"desc": _text_tag(space.name),
            b"cprt": _text_tag("CC0"),
            b"wtpt": _xyz_tag(_D50),
            b"chad": b"sf32\0\0\0\0" + _fixed(*(value for row in adaptation for value in row)),
            b"rXYZ": _xyz_tag(columns[0]),
            b"gXYZ": _xyz_tag(columns[1]),
            b"bXYZ": _xyz_tag(columns[2]),
            b"rTRC": curve,
            b"gTRC": curve,
            b"bTRC": curve,
        }
    )


def _assemble(tags: dict[bytes, bytes]) -> bytes:
    """Header, table and tags; tags with the same bytes are stored once."""
    data_at = _HEADER_BYTES + 4 + _TAG_ENTRY_BYTES * len(tags)
    table, data, places = b"", b"", {}
    for signature, content in tags.items():
        if content not in places:
            places[content] = data_at + len(data)
            data += content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", signature, places[content], len(content))
    body = struct.pack(">I", len(tags)) + table + data
    return _header(_HEADER_BYTES + len(body)) + body


def _header(size_bytes: int) -> bytes:
    return struct.pack(
        ">I4sI4s4s4s12s4s4sIIIQI12s48x",
        size_bytes,
        b"\0\0\0\0",
        0x04300000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        struct.pack(">6H", 2000, 1, 1, 0, 0, 0),
        b"acsp",
        b"\0\0\0\0",
        0,
        0,
        0,
        0,
        1,  # the intent it is made for: relative colorimetric
        _fixed(*_D50),
    )


def _text_tag(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return (
        b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded
    )


def _xyz_tag(xyz: Vector) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*xyz)


def _curve_tag(curve: tuple[float, ...]) -> bytes:
    kind = 0 if len(curve) == 1 else 3
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + _fixed(*curve)


def _fixed(*values: float) -> bytes:
    """Numbers as s15Fixed16, the fixed point of ICC."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _rgb_to_xyz(space: RgbSpace) -> Matrix:
    """The primaries as columns, each so bright that together they make the white."""
    primaries = _transpose((_xyz_of(space.red), _xyz_of(space.green), _xyz_of(space.blue)))
    brightness = _apply(_inverse(primaries), _xyz_of(space.white))
    return _multiply(primaries, _diagonal(brightness))


def _adaptation_to_d50(white: Vector) -> Matrix:
    here, there = _apply(_BRADFORD, white), _apply(_BRADFORD, _D50)
    gains = (there[0] / here[0], there[1] / here[1], there[2] / here[2])
    return _multiply(_inverse(_BRADFORD), _multiply(_diagonal(gains), _BRADFORD))


def _xyz_of(chromaticity: Chromaticity) -> Vector:
    x, y = chromaticity
    return (x / y, 1.0, (1 - x - y) / y)


def _diagonal(values: Vector) -> Matrix:
    return ((values[0], 0, 0), (0, values[1], 0), (0, 0, values[2]))


def _transpose(matrix: Matrix) -> Matrix:
    first, second, third = zip(*matrix, strict=True)
    return (first, second, third)


def _apply(matrix: Matrix, vector: Vector) -> Vector:
    first, second, third = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return (first, second, third)


def _multiply(left: Matrix, right: Matrix) -> Matrix:
    columns = _transpose(right)
    return _transpose(
        (_apply(left, columns[0]), _apply(left, columns[1]), _apply(left, columns[2]))
    )


def _inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return (
        (
            (e * i - f * h) / determinant,
            (c * h - b * i) / determinant,
            (b * f - c * e) / determinant,
        ),
        (
            (f * g - d * i) / determinant,
            (a * i - c * g) / determinant,
            (c * d - a * f) / determinant,
        ),
        (
            (d * h - e * g) / determinant,
            (b * g - a * h) / determinant,
            (a * e - b * d) / determinant,
        ),
    )
