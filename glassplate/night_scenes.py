"""Scenes by night, and a forest of paper, drawn by code."""

import math
import random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from glassplate.painting import (
    below,
    clouds,
    color_at,
    curve,
    glow,
    gradient,
    grained,
    lit,
    mixed,
    noise,
    painted,
    polygon_mask,
    ridge,
    shaded,
    softened,
    vignetted,
    waves,
)

WIDE, UPRIGHT, SQUARE = (2400, 1600), (1600, 2400), (1800, 1800)


def night(rng: random.Random) -> Image.Image:
    """Stars, the moon, and a row of firs."""
    width, height = WIDE
    picture = gradient(WIDE, ((0, (6, 10, 30)), (0.6, (18, 30, 66)), (1, (58, 66, 96))))
    band = Image.new("L", WIDE)
    ImageDraw.Draw(band).line((-200, 1500, 1500, -300), fill=255, width=460)
    band = band.resize((150, 100)).filter(ImageFilter.GaussianBlur(14)).resize(WIDE)
    dust = clouds(rng, WIDE, cells=(6, 6), octaves=6)
    picture = lit(picture, ImageChops.multiply(band, curve(dust, 60, 230, 1.3)), (150, 140, 170))
    stars = Image.new("L", WIDE)
    draw = ImageDraw.Draw(stars)
    for _ in range(5200):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        in_band = band.getpixel((int(x), int(y)))
        assert isinstance(in_band, int)
        if rng.random() < 0.35 + in_band / 255:
            size = rng.choice((0.5, 0.5, 0.8, 1.2)) + 1.2 * rng.random() ** 12
            draw.ellipse((x - size, y - size, x + size, y + size), fill=rng.randint(70, 255))
    picture = lit(picture, stars.filter(ImageFilter.GaussianBlur(2.4)), (120, 150, 220))
    picture = lit(picture, stars, (255, 250, 240))
    moon = (1850.0, 420.0)
    picture = lit(picture, glow(WIDE, moon, 620, 3.0), (110, 130, 170))
    disc = glow(WIDE, moon, 92, 0.12)
    face = gradient(WIDE, ((0, (250, 246, 230)), (1, (226, 222, 210))))
    face = shaded(face, clouds(rng, WIDE, cells=(36, 24), octaves=3), 0.5)
    picture = painted(picture, face, curve(disc, 120, 170))
    hill = [1330 + y for y in ridge(rng, width, height=90, rough=0.46)]
    return grained(rng, painted(_with_trees(rng, picture, hill), (4, 7, 14), below(WIDE, hill)), 6)


def _with_trees(rng: random.Random, picture: Image.Image, hill: list[float]) -> Image.Image:
    for _ in range(90):
        x = rng.uniform(0, picture.width - 1)
        tall = rng.uniform(50, 190)
        outline = fir(rng, x, hill[int(x)] + 12, tall)
        picture = _dabbed(picture, (4, 7, 14), outline)
    return picture


def aurora(rng: random.Random) -> Image.Image:
    """Northern lights over a lake."""
    width, height = WIDE
    shore = 1120
    picture = gradient(WIDE, ((0, (4, 8, 28)), (0.5, (8, 26, 54)), (0.75, (20, 52, 70))))
    draw = ImageDraw.Draw(picture)
    for _ in range(900):
        x, y, level = rng.uniform(0, width), rng.uniform(0, shore), rng.randint(60, 220)
        draw.ellipse((x, y, x + 1.6, y + 1.6), fill=(level, level, level))
    for color, foot, tall, phase in (
        ((70, 255, 150), 760, 560, 0.4),
        ((50, 220, 190), 640, 480, 2.2),
        ((170, 90, 220), 420, 420, 3.3),
    ):
        curtain = _curtain(rng, foot=foot, tall=tall, phase=phase)
        picture = lit(picture, curtain, color)
    ridge_line = [shore - 60 + y for y in ridge(rng, width, height=110, rough=0.52)]
    picture = painted(picture, (6, 14, 24), below(WIDE, ridge_line))
    mirror = picture.crop((0, shore - (height - shore), width, shore))
    mirror = mirror.transpose(Image.Transpose.FLIP_TOP_BOTTOM).filter(ImageFilter.BoxBlur(3))
    ripple = noise(rng, mirror.size, (50, 160))
    mirror = shaded(
        ImageChops.multiply(mirror, Image.new("RGB", mirror.size, (170, 190, 210))), ripple, 0.35
    )
    picture.paste(mirror, (0, shore))
    return grained(rng, vignetted(picture, 0.25), 6)


def _curtain(rng: random.Random, *, foot: int, tall: int, phase: float) -> Image.Image:
    """A curtain of light: rays from a winding foot, fading upwards."""
    columns = 600
    line = waves(columns, (90, 520, phase), (46, 190, 2 * phase), (20, 70, 3 * phase))
    rays = noise(rng, (columns, 1), (130, 1)).tobytes()
    slow = noise(rng, (columns, 1), (9, 1)).tobytes()
    curtain = Image.new("L", (columns, WIDE[1] // 2))
    fade = Image.linear_gradient("L").transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    for x in range(columns):
        bright = (0.35 + 0.65 * rays[x] / 255) * slow[x] / 255
        length = max(8, round(tall / 2 * (0.55 + 0.45 * rays[x] / 255)))
        ray = fade.resize((1, length)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        ray = ray.point([round(230 * bright * (v / 255) ** 1.5) for v in range(256)])
        curtain.paste(ray, (x, round((foot + line[x]) / 2) - length))
    return curtain.filter(ImageFilter.GaussianBlur(3)).resize(WIDE, Image.Resampling.BICUBIC)


def bokeh(rng: random.Random) -> Image.Image:
    """Lights out of focus, square."""
    picture = gradient(SQUARE, ((0, (12, 10, 32)), (0.55, (44, 20, 52)), (1, (10, 20, 40))))
    warm = ((255, 176, 84), (255, 120, 90), (250, 214, 150), (120, 170, 255), (255, 90, 150))
    for softness, count, largest in ((26, 34, 190), (9, 46, 130), (3, 40, 84)):
        layer = Image.new("RGB", SQUARE)
        for _ in range(count):
            radius = largest * rng.uniform(0.35, 1)
            x, y = rng.uniform(-80, 1880), rng.gauss(1050, 420)
            color = mixed((0, 0, 0), rng.choice(warm), rng.uniform(0.12, 0.5))
            _add_disc(layer, (x, y), radius, color)
        picture = ImageChops.screen(picture, layer.filter(ImageFilter.GaussianBlur(softness)))
    return grained(rng, vignetted(picture, 0.4), 7)


def _add_disc(
    layer: Image.Image, center: tuple[float, float], radius: float, color: tuple[int, int, int]
) -> None:
    """Add a disc of light with a brighter rim, as a lens draws it."""
    edge = round(2 * radius) + 4
    large = Image.new("L", (2 * edge, 2 * edge))
    draw = ImageDraw.Draw(large)
    draw.ellipse((4, 4, 2 * edge - 5, 2 * edge - 5), fill=200, outline=255, width=10)
    mask = large.reduce(2)
    disc = Image.merge("RGB", [mask.point([v * part // 255 for v in range(256)]) for part in color])
    left, top = round(center[0] - edge / 2), round(center[1] - edge / 2)
    box = (left, top, left + edge, top + edge)
    layer.paste(ImageChops.screen(layer.crop(box), disc), (left, top))


def paper_forest(rng: random.Random) -> Image.Image:
    """A forest cut out of paper, upright."""
    width, height = UPRIGHT
    picture = gradient(
        UPRIGHT, ((0, (250, 226, 196)), (0.6, (248, 196, 170)), (1, (236, 168, 150)))
    )
    moon = glow(UPRIGHT, (1060, 620), 240, 0.1)
    picture = painted(picture, (255, 246, 226), curve(moon, 130, 150))
    tones = (
        (0, (226, 180, 160)),
        (0.35, (150, 152, 150)),
        (0.7, (66, 104, 112)),
        (1, (20, 46, 60)),
    )
    for layer in range(6):
        depth = layer / 5
        ground = height * (0.42 + 0.43 * depth)
        line = [
            ground + y
            for y in waves(width, (60, 1900, rng.uniform(0, 6)), (24, 640, rng.uniform(0, 6)))
        ]
        mask = below(UPRIGHT, line)
        x = rng.uniform(-60, 60)
        while x < width + 60:
            tall = (330 + 520 * depth) * rng.uniform(0.7, 1.15)
            foot = line[max(0, min(width - 1, int(x)))] + 0.2 * tall
            _stamp(mask, fir(rng, x, foot, tall))
            x += tall * rng.uniform(0.22, 0.5)
        shadow = softened(ImageChops.offset(mask, 14, -10), 16)
        picture = painted(picture, (40, 30, 50), shadow.point([v // 3 for v in range(256)]))
        sheet = Image.new("RGB", UPRIGHT, color_at(tones, depth))
        sheet = shaded(sheet, noise(rng, UPRIGHT, (400, 600)), 0.10)
        picture = painted(picture, sheet, mask)
    return grained(rng, picture, 4)


def _stamp(mask: Image.Image, outline: list[tuple[float, float]]) -> None:
    left, top = math.floor(min(x for x, _ in outline)), math.floor(min(y for _, y in outline))
    right, bottom = math.ceil(max(x for x, _ in outline)), math.ceil(max(y for _, y in outline))
    shape = polygon_mask((right - left, bottom - top), [(x - left, y - top) for x, y in outline])
    mask.paste(255, (left, top), shape)


def fir(rng: random.Random, x: float, foot: float, tall: float) -> list[tuple[float, float]]:
    """The outline of a fir tree: down one side in jagged boughs, and up the other."""
    boughs = 7
    left, right = [], []
    for bough in range(boughs):
        reach = tall * (0.05 + 0.21 * (bough + 1) / boughs) * rng.uniform(0.85, 1.1)
        y = foot - tall + tall * (bough + 1) / boughs
        left += [(x - reach, y), (x - reach * 0.45, y - tall * 0.03)]
        right += [(x + reach, y), (x + reach * 0.45, y - tall * 0.03)]
    return [(x, foot - tall), *left, *reversed(right)]


def _dabbed(
    picture: Image.Image, color: tuple[int, int, int], outline: list[tuple[float, float]]
) -> Image.Image:
    """The picture with a small shape painted on it, in place."""
    left, top = math.floor(min(x for x, _ in outline)), math.floor(min(y for _, y in outline))
    right, bottom = math.ceil(max(x for x, _ in outline)), math.ceil(max(y for _, y in outline))
    mask = polygon_mask((right - left, bottom - top), [(x - left, y - top) for x, y in outline])
    picture.paste(color, (left, top), mask)
    return picture
