"""Brushes: gradients, textures, glows and ridges, made by Pillow alone and the same every time."""

import itertools
import math
import random
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Color = tuple[int, int, int]
Stops = Sequence[tuple[float, Color]]
"""Colours by their place, 0 to 1, in order."""
Point = tuple[float, float]

# Outlines are drawn this much larger and shrunk, which smooths them.
_OVERSAMPLED = 2
_GRADIENT_STEPS = 512
_FINE_CELLS = 48
_BLURRED_AT = 4
_BICUBIC = Image.Resampling.BICUBIC


def gradient(size: tuple[int, int], stops: Stops) -> Image.Image:
    """Colours from top to bottom."""
    column = Image.new("RGB", (1, _GRADIENT_STEPS))
    column.putdata(
        [color_at(stops, step / (_GRADIENT_STEPS - 1)) for step in range(_GRADIENT_STEPS)]
    )
    upright = column.resize((1, size[1]), _BICUBIC)
    return upright.resize(size, Image.Resampling.NEAREST)


def color_at(stops: Stops, place: float) -> Color:
    """The colour at a place between the stops."""
    for (start, low), (end, high) in itertools.pairwise(stops):
        if place <= end:
            return mixed(low, high, max(0.0, (place - start) / (end - start)))
    return stops[-1][1]


def mixed(low: Color, high: Color, share: float) -> Color:
    """The colour so much of the way from one to another."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return red, green, blue


def noise(rng: random.Random, size: tuple[int, int], cells: tuple[int, int]) -> Image.Image:
    """Soft random light and dark, so many cells across and down."""
    across, down = cells
    cell_values = Image.frombytes("L", cells, rng.randbytes(across * down))
    # In fine cells nobody sees the corners that the faster filter leaves.
    is_fine = across >= _FINE_CELLS
    return cell_values.resize(size, Image.Resampling.BILINEAR if is_fine else _BICUBIC)


def softened(mask: Image.Image, radius: float) -> Image.Image:
    """The mask with soft edges, blurred where it is small and so costs little."""
    small = mask.reduce(_BLURRED_AT).filter(ImageFilter.GaussianBlur(radius / _BLURRED_AT))
    return small.resize(mask.size, Image.Resampling.BILINEAR)


def clouds(
    rng: random.Random, size: tuple[int, int], *, cells: tuple[int, int], octaves: int = 5
) -> Image.Image:
    """Noise over finer noise, each half as strong, as clouds and stone have it."""
    texture = noise(rng, size, cells)
    for octave in range(1, octaves):
        finer = noise(rng, size, (cells[0] << octave, cells[1] << octave))
        texture = Image.blend(texture, finer, 0.36 if octave == 1 else 0.26 / octave)
    return stretched(texture)


def receding(texture: Image.Image, size: tuple[int, int], tilt: float) -> Image.Image:
    """A texture as the surface of water or land that goes back to a horizon at the top."""
    width, height = size
    far, near = texture.size
    shrinking = tilt / height
    across = far / width
    coefficients = (
        across, far / 2 * shrinking, far / 2 - across * width / 2,
        0.0, near * (1 + tilt) / height, 0.0,
        0.0, shrinking,
    )  # fmt: skip
    return texture.transform(
        size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
    )


def stretched(texture: Image.Image) -> Image.Image:
    """The same, from black to white."""
    low, high = texture.getextrema()
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    span = max(1.0, high - low)
    return texture.point([clamp(round((level - low) * 255 / span)) for level in range(256)])


def curve(texture: Image.Image, low: int, high: int, power: float = 1.0) -> Image.Image:
    """Black below `low`, white above `high`, and between them a bent line."""
    return texture.point(
        [round(255 * min(1.0, max(0.0, (v - low) / (high - low))) ** power) for v in range(256)]
    )


def clamp(level: int) -> int:
    """The level as a byte can have it."""
    return max(0, min(255, level))


def glow(size: tuple[int, int], center: Point, radius: float, power: float = 2.0) -> Image.Image:
    """Light that falls off around a point, as a mask."""
    # Pillow's gradient reaches white in the corners of its square; ours ends at the edges.
    disc = Image.radial_gradient("L").point(
        [round(255 * max(0.0, 1 - v * math.sqrt(2) / 255) ** power) for v in range(256)]
    )
    edge = max(2, round(2 * radius))
    mask = Image.new("L", size)
    at = (round(center[0] - radius), round(center[1] - radius))
    mask.paste(disc.resize((edge, edge), _BICUBIC), at)
    return mask


def polygon_mask(size: tuple[int, int], points: Sequence[Point]) -> Image.Image:
    """The inside of an outline, with smooth edges."""
    large = Image.new("L", (size[0] * _OVERSAMPLED, size[1] * _OVERSAMPLED))
    scaled = [(x * _OVERSAMPLED, y * _OVERSAMPLED) for x, y in points]
    ImageDraw.Draw(large).polygon(scaled, fill=255)
    return large.reduce(_OVERSAMPLED)


def ridge(
    rng: random.Random, width: int, *, height: float, rough: float, steps: int = 9
) -> list[float]:
    """A skyline by midpoint displacement, as heights around 0; `rough` near 0.5 is smooth."""
    line = [rng.uniform(-1, 1), rng.uniform(-1, 1)]
    reach = 1.0
    for _ in range(steps):
        line = _with_midpoints(rng, line, reach)
        reach *= rough
    scale = height / max(abs(value) for value in line)
    at = [x * (len(line) - 1) / (width - 1) for x in range(width)]
    return [
        scale * (line[int(p)] + (line[min(int(p) + 1, len(line) - 1)] - line[int(p)]) * (p % 1))
        for p in at
    ]


def below(size: tuple[int, int], skyline: Sequence[float]) -> Image.Image:
    """Everything under a skyline, as a mask."""
    width, height = size
    top, bottom = math.floor(min(skyline)) - 1, math.ceil(max(skyline)) + 1
    points = [(float(x), y - top) for x, y in enumerate(skyline)]
    outline = [(0.0, float(bottom - top)), *points, (width - 1.0, float(bottom - top))]
    mask = Image.new("L", size)
    mask.paste(polygon_mask((width, bottom - top), outline), (0, top))
    mask.paste(255, (0, bottom, width, max(bottom, height)))
    return mask


def lit(picture: Image.Image, mask: Image.Image, color: Color) -> Image.Image:
    """The picture with coloured light added where the mask is bright."""
    light = Image.merge(
        "RGB", [mask.point([v * part // 255 for v in range(256)]) for part in color]
    )
    return ImageChops.screen(picture, light)


def painted(picture: Image.Image, paint: Image.Image | Color, mask: Image.Image) -> Image.Image:
    """The picture with paint over it where the mask is bright."""
    layer = paint if isinstance(paint, Image.Image) else Image.new("RGB", picture.size, paint)
    return Image.composite(layer, picture, mask)


def shaded(picture: Image.Image, texture: Image.Image, strength: float) -> Image.Image:
    """The picture made darker and brighter by a texture whose middle grey changes nothing."""
    factors = texture.point([clamp(round(128 + (v - 128) * strength)) for v in range(256)])
    return ImageChops.overlay(picture, Image.merge("RGB", [factors] * 3))


def grained(rng: random.Random, picture: Image.Image, levels: int) -> Image.Image:
    """The picture with the grain of a film, which also hides the steps of its gradients."""
    edge = 512
    tile = Image.frombytes("L", (edge, edge), rng.randbytes(edge * edge))
    tile = tile.filter(ImageFilter.GaussianBlur(0.7))
    grain = Image.new("L", picture.size)
    for x in range(0, picture.width, edge):
        for y in range(0, picture.height, edge):
            turned = tile.transpose(Image.Transpose((x // edge + 3 * (y // edge)) % 7))
            grain.paste(turned, (x, y))
    scaled = grain.point([clamp(round(128 + (v - 128) * levels / 48)) for v in range(256)])
    return ImageChops.add(picture, Image.merge("RGB", [scaled] * 3), 1, -128)


def vignetted(picture: Image.Image, strength: float) -> Image.Image:
    """The picture with darker corners."""
    corners = Image.radial_gradient("L").point(
        [round(255 * (1 - strength * (v / 255) ** 2.2)) for v in range(256)]
    )
    return ImageChops.multiply(
        picture, Image.merge("RGB", [corners.resize(picture.size, _BICUBIC)] * 3)
    )


def _with_midpoints(rng: random.Random, line: list[float], reach: float) -> list[float]:
    finer = []
    for left, right in itertools.pairwise(line):
        finer += [left, (left + right) / 2 + rng.uniform(-reach, reach)]
    return [*finer, line[-1]]


def waves(width: int, *parts: tuple[float, float, float]) -> list[float]:
    """A sum of sines, each (height, length, start), as heights around 0."""
    return [
        sum(height * math.sin(2 * math.pi * x / length + start) for height, length, start in parts)
        for x in range(width)
    ]
