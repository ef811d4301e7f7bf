"""Placeholders for a photo that is still loading: dominant color, BlurHash, and ThumbHash.

BlurHash is Wolt's (https://github.com/woltapp/blurhash, Algorithm.md): a few cosine terms of the
linear light in base 83. ThumbHash is Evan Wallace's (https://evanw.github.io/thumbhash/): more
terms of brightness than of color, transparency, and the aspect ratio, in about 25 bytes.
A miniature is enough for both, because neither keeps finer detail.
"""

import base64
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from PIL import Image

from imageworker.pixels.encode import on_white

MINIATURE_EDGE_PIXELS = 32

_BASE83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_PALETTE_COLORS = 8
# The cosine terms of a flat color do not sum to exactly 0; smaller terms are rounding noise.
_FLAT = 1e-9

Plane = Sequence[Sequence[float]]
"""Rows of one channel of a miniature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """Placeholders of a photo: the color as #rrggbb, and the ThumbHash in base64."""

    color: str
    blurhash: str
    thumbhash: str


def placeholder_of(pixels: Image.Image) -> Placeholder:
    """Return the placeholders of a photo, from any of its sizes in sRGB (RGB or RGBA)."""
    miniature = pixels.copy()
    miniature.thumbnail(
        (MINIATURE_EDGE_PIXELS, MINIATURE_EDGE_PIXELS), Image.Resampling.BOX, reducing_gap=None
    )
    opaque = on_white(miniature)
    return Placeholder(
        color=dominant_color(opaque),
        blurhash=blurhash(opaque),
        thumbhash=base64.b64encode(thumbhash(miniature.convert("RGBA"))).decode(),
    )


def dominant_color(pixels: Image.Image) -> str:
    """Return the most frequent color of a reduced palette, as #rrggbb."""
    reduced = pixels.quantize(_PALETTE_COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette = reduced.getpalette() or []
    counts = reduced.histogram()[: len(palette) // 3]
    most = max(range(len(counts)), key=lambda index: (counts[index], -index))
    red, green, blue = palette[3 * most : 3 * most + 3]
    return f"#{red:02x}{green:02x}{blue:02x}"


def blurhash(pixels: Image.Image, *, across: int = 4, down: int = 3) -> str:
    """Return the BlurHash of opaque pixels, with 1 to 9 terms each way, swapped for a portrait."""
    if pixels.height > pixels.width:
        across, down = down, across
    terms = list(
        zip(*(_blurhash_terms(plane, across, down) for plane in _planes(pixels)), strict=True)
    )
    average, varying = terms[0], terms[1:]
    most = max((abs(value) for term in varying for value in term), default=0.0)
    scale_code = max(0, min(82, math.floor(most * 166 - 0.5)))
    scale = (scale_code + 1) / 166
    return (
        _base83(across - 1 + (down - 1) * 9, digits=1)
        + _base83(scale_code if varying else 0, digits=1)
        + _base83(_color_code(average), digits=4)
        + "".join(_base83(_term_code(term, scale), digits=2) for term in varying)
    )


def thumbhash(pixels: Image.Image) -> bytes:
    """Return the ThumbHash of RGBA pixels, at most 100 on an edge, without premultiplied alpha."""
    width, height = pixels.size
    channels = [[value / 255 for value in _values(pixels, band)] for band in range(4)]
    alpha = channels[3]
    opacity = sum(alpha)
    mean = [sum(map(mul, channel, alpha)) / opacity if opacity else 0.0 for channel in channels[:3]]
    red, green, blue = (
        [average * (1 - a) + a * value for value, a in zip(channel, alpha, strict=True)]
        for channel, average in zip(channels[:3], mean, strict=True)
    )
    has_alpha = opacity < width * height
    longest = max(width, height)
    limit = 5 if has_alpha else 7
    terms_across = max(1, _round(limit * width / longest))
    terms_down = max(1, _round(limit * height / longest))

    def encode(values: Sequence[float], across: int, down: int) -> "_Channel":
        return _encode_channel(_rows(values, width), across, down)

    pixels_of = list(zip(red, green, blue, strict=True))
    light = encode(
        [(r + g + b) / 3 for r, g, b in pixels_of], max(3, terms_across), max(3, terms_down)
    )
    yellow_blue = encode([(r + g) / 2 - b for r, g, b in pixels_of], 3, 3)
    red_green = encode([r - g for r, g, _ in pixels_of], 3, 3)
    opacity_channel = encode(alpha, 5, 5) if has_alpha else None
    is_wide = width > height
    header = (
        _round(63 * light.average)
        | _round(31.5 + 31.5 * yellow_blue.average) << 6
        | _round(31.5 + 31.5 * red_green.average) << 12
        | _round(31 * light.scale) << 18
        | has_alpha << 23
        | (terms_down if is_wide else terms_across) << 24
        | _round(63 * yellow_blue.scale) << 27
        | _round(63 * red_green.scale) << 33
        | is_wide << 39
    )
    start = header.to_bytes(5, "little")
    nibbles = [*light.codes, *yellow_blue.codes, *red_green.codes]
    if opacity_channel is not None:
        start += bytes(
            [_round(15 * opacity_channel.average) | _round(15 * opacity_channel.scale) << 4]
        )
        nibbles += opacity_channel.codes
    nibbles += [0] * (len(nibbles) % 2)
    return start + bytes(
        low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Channel:
    average: float
    scale: float
    codes: list[int]


def _encode_channel(plane: Plane, across: int, down: int) -> _Channel:
    """Encode the low-frequency triangle of cosine terms, each as four bits of the largest term."""
    table = _cosine_terms(plane, across, down, half_pixel=True)
    terms = [
        table[v][u] for v in range(down) for u in range(across) if u * down < across * (down - v)
    ]
    average, varying = terms[0], terms[1:]
    scale = max(map(abs, varying), default=0.0)
    is_flat = scale < _FLAT
    codes = [0 if is_flat else _round(15 * (0.5 + 0.5 * term / scale)) for term in varying]
    return _Channel(average, scale, codes)


def _blurhash_terms(plane: Plane, across: int, down: int) -> list[float]:
    linear = [[_linear_light()[round(value)] for value in row] for row in plane]
    table = _cosine_terms(linear, across, down, half_pixel=False)
    return [
        term if u == v == 0 else 2 * term
        for v, row in enumerate(table)
        for u, term in enumerate(row)
    ]


def _cosine_terms(plane: Plane, across: int, down: int, *, half_pixel: bool) -> list[list[float]]:
    """Return the mean of the plane times each pair of cosines, as `[v][u]`."""
    height, width = len(plane), len(plane[0])
    waves = _waves(width, across, half_pixel)
    rows = [[sum(map(mul, row, wave)) for wave in waves] for row in plane]
    columns = list(zip(*rows, strict=True))
    return [
        [sum(map(mul, column, wave)) / (width * height) for column in columns]
        for wave in _waves(height, down, half_pixel)
    ]


@functools.lru_cache(maxsize=256)
def _waves(length: int, terms: int, half_pixel: bool) -> list[list[float]]:  # noqa: FBT001  cached
    start = 0.5 if half_pixel else 0.0
    return [
        [math.cos(math.pi * term * (at + start) / length) for at in range(length)]
        for term in range(terms)
    ]


def _planes(pixels: Image.Image) -> list[Plane]:
    return [_rows(_values(pixels, band), pixels.width) for band in range(3)]


def _values(pixels: Image.Image, band: int) -> Sequence[float]:
    return pixels.getchannel(band).tobytes()


def _rows(values: Sequence[float], width: int) -> Plane:
    return [values[start : start + width] for start in range(0, len(values), width)]


@functools.cache
def _linear_light() -> tuple[float, ...]:
    levels = (level / 255 for level in range(256))
    return tuple(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in levels)


def _srgb_level(linear: float) -> int:
    value = max(0.0, min(1.0, linear))
    curved = value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return int(curved * 255 + 0.5)


def _color_code(linear: Sequence[float]) -> int:
    red, green, blue = (_srgb_level(value) for value in linear)
    return red << 16 | green << 8 | blue


def _term_code(term: Sequence[float], scale: float) -> int:
    red, green, blue = (
        max(0, min(18, math.floor(math.copysign(abs(value / scale) ** 0.5, value) * 9 + 9.5)))
        for value in term
    )
    return (red * 19 + green) * 19 + blue


def _base83(value: int, *, digits: int) -> str:
    return "".join(_BASE83[value // 83**place % 83] for place in reversed(range(digits)))


def _round(value: float) -> int:
    """Round halves up, as the reference implementations do."""
    return math.floor(value + 0.5)
