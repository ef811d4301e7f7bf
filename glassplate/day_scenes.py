"""Scenes by day, drawn by code: mountains, the sea, fields, dunes."""

import math
import random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from glassplate.painting import (
    below,
    clouds,
    curve,
    glow,
    gradient,
    grained,
    lit,
    mixed,
    noise,
    painted,
    polygon_mask,
    receding,
    ridge,
    shaded,
    vignetted,
    waves,
)

WIDE = (2400, 1600)
DUNES_SIZE = (3000, 4000)


def ridges(rng: random.Random) -> Image.Image:
    """Mountains behind mountains at dusk."""
    width, height = WIDE
    sky = ((0, (46, 52, 98)), (0.35, (128, 92, 132)), (0.6, (236, 150, 122)), (1, (255, 214, 160)))
    picture = gradient(WIDE, sky)
    veil = curve(clouds(rng, WIDE, cells=(3, 12)), 120, 255, 1.6)
    picture = painted(picture, (255, 196, 170), veil.point([v // 3 for v in range(256)]))
    picture = lit(picture, glow(WIDE, (1560, 830), 900, 2.4), (255, 190, 110))
    picture = lit(picture, glow(WIDE, (1560, 830), 130, 0.9), (255, 236, 190))
    far, near = (214, 140, 132), (24, 28, 52)
    for layer in range(7):
        depth = layer / 6
        middle = height * (0.53 + 0.42 * depth**1.15)
        line = ridge(rng, width, height=60 + 130 * depth, rough=0.50 + 0.05 * depth)
        skyline = [middle + y for y in line]
        color = mixed(far, near, depth**0.75)
        mist = mixed(color, (250, 190, 160), 0.45 * (1 - depth))
        slope = gradient(WIDE, ((0, color), (middle / height, color), (1, mist)))
        picture = painted(picture, slope, below(WIDE, skyline))
    return grained(rng, vignetted(picture, 0.25), 6)


def sea(rng: random.Random) -> Image.Image:
    """The sun over a calm sea."""
    width, height = WIDE
    horizon, sun = 820, (860.0, 640.0)
    sky = (
        (0, (58, 92, 150)),
        (0.3, (150, 150, 180)),
        (0.46, (250, 190, 140)),
        (0.52, (255, 222, 160)),
    )
    picture = gradient(WIDE, sky)
    bank = curve(clouds(rng, WIDE, cells=(4, 10)), 140, 240, 1.2)
    picture = painted(picture, (246, 170, 150), bank.point([v * 2 // 3 for v in range(256)]))
    picture = lit(picture, glow(WIDE, sun, 760, 2.6), (255, 176, 90))
    picture = lit(picture, glow(WIDE, sun, 96, 0.35), (255, 244, 210))
    sea = gradient(
        WIDE, ((0, (90, 100, 130)), (horizon / height, (196, 160, 140)), (1, (20, 44, 74)))
    )
    surface = (width, height - horizon)
    swell = receding(clouds(rng, (1500, 1500), cells=(40, 130), octaves=3), surface, 7)
    spread = ((sun[0] - 60, 0), (sun[0] + 60, 0), (sun[0] + 430, 780), (sun[0] - 430, 780))
    path = polygon_mask(surface, spread).reduce(8).filter(ImageFilter.GaussianBlur(12))
    glitter = ImageChops.multiply(curve(swell, 118, 200, 1.5), path.resize(surface))
    waves_lit = shaded(sea.crop((0, horizon, width, height)), swell, 0.55)
    waves_lit = lit(waves_lit, glitter, (255, 214, 150))
    picture.paste(waves_lit, (0, horizon))
    return grained(rng, vignetted(picture, 0.2), 6)


def fields(rng: random.Random) -> Image.Image:
    """Hills under cultivation, and fair weather."""
    width, height = WIDE
    picture = gradient(WIDE, ((0, (84, 148, 214)), (0.5, (188, 220, 238)), (1, (236, 240, 226))))
    cover = clouds(rng, WIDE, cells=(4, 7), octaves=6)
    picture = painted(picture, (255, 255, 255), curve(cover, 128, 235, 0.9))
    shadow = ImageChops.offset(curve(cover, 150, 250, 1.4), 0, 26)
    picture = painted(picture, (196, 208, 222), ImageChops.multiply(shadow, curve(cover, 128, 235)))
    greens = (
        (150, 176, 120),
        (214, 190, 96),
        (122, 160, 72),
        (186, 196, 84),
        (92, 138, 60),
        (66, 112, 44),
    )
    for layer, green in enumerate(greens):
        depth = layer / (len(greens) - 1)
        middle = height * (0.54 + 0.36 * depth)
        swell = waves(
            width,
            (34 + 60 * depth, width * (0.7 + 0.5 * rng.random()), rng.uniform(0, 6)),
            (14 + 22 * depth, width * 0.31, rng.uniform(0, 6)),
        )
        hill = gradient(
            WIDE, ((0, green), (middle / height, green), (1, mixed(green, (30, 60, 20), 0.5)))
        )
        furrows = noise(rng, WIDE, (6, 90 + 40 * (5 - layer)))
        crops = Image.blend(furrows, noise(rng, WIDE, (300, 220)), 0.55)
        hill = shaded(hill, crops, 0.20 + 0.27 * depth)
        skyline = [middle + y for y in swell]
        picture = painted(picture, hill, below(WIDE, skyline))
        picture = _with_hedge(rng, picture, skyline, depth)
    return grained(rng, lit(picture, glow(WIDE, (300, 100), 1500, 2.0), (90, 80, 50)), 6)


def _with_hedge(
    rng: random.Random, picture: Image.Image, skyline: list[float], depth: float
) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    x = rng.uniform(0, 200)
    while x < picture.width - 1:
        size = (6 + 26 * depth) * rng.uniform(0.6, 1.3)
        y = skyline[int(x)]
        dark = mixed((88, 112, 84), (34, 62, 30), depth)
        for _ in range(5):
            dx, dy = rng.uniform(-size, size), rng.uniform(-size, 0)
            round_of = size * rng.uniform(0.5, 0.9)
            leaf = mixed(dark, (120, 150, 70), rng.uniform(0, 0.25))
            draw.ellipse(
                (x + dx - round_of, y + dy - round_of, x + dx + round_of, y + dy + round_of * 0.7),
                fill=leaf,
            )
        x += rng.choice((size * 1.2, size * 1.5, 160, 420))
    return picture


def dunes(rng: random.Random) -> Image.Image:
    """Dunes in the low sun, upright."""
    width, height = size = (DUNES_SIZE[0] // 2, DUNES_SIZE[1] // 2)
    sky = ((0, (64, 112, 176)), (0.2, (160, 190, 214)), (0.42, (252, 222, 178)))
    picture = lit(gradient(size, sky), glow(size, (300, 620), 700, 2.2), (255, 196, 120))
    for layer, peak in enumerate((0.72, 0.22, 0.58, 0.34, 0.80)):
        depth = layer / 4
        top, tall = height * (0.33 + 0.36 * depth), 60 + 190 * depth
        crest = waves(width, (8 + 12 * depth, width * 0.7, rng.uniform(0, 6)))
        skyline = [
            top + crest[x] + tall * (1 - math.exp(-(((x / width - peak) / 0.34) ** 2)))
            for x in range(width)
        ]
        bright = mixed((244, 204, 160), (238, 164, 92), depth)
        dark = mixed((214, 168, 142), (104, 54, 42), depth)
        horizon = top / height
        sand = gradient(size, ((0, bright), (horizon, bright), (1, mixed(bright, dark, 0.35))))
        ripples = receding(noise(rng, (900, 900), (14, 170)), size, 2 + layer)
        sand = shaded(sand, ripples, 0.10 + 0.16 * depth)
        lee = gradient(size, ((0, dark), (horizon, dark), (1, mixed(dark, bright, 0.25))))
        sand = painted(
            sand, lee, _lee_side(size, skyline, peak, sway=width * (0.34 + 0.16 * depth))
        )
        picture = painted(picture, sand, below(size, skyline))
    large = picture.resize(DUNES_SIZE, Image.Resampling.BICUBIC)
    return grained(rng, vignetted(large, 0.15), 9)


def _lee_side(
    size: tuple[int, int], skyline: list[float], peak: float, *, sway: float
) -> Image.Image:
    """The side of a dune away from the sun: behind a crest that winds down from its peak."""
    width, height = size
    start = round(peak * (width - 1))
    along = [step / 60 for step in range(61)]
    crest = [
        (
            start - sway * t**0.7 + 0.12 * sway * math.sin(7 * t),
            skyline[start] + 0.42 * height * t**1.3,
        )
        for t in along
    ]
    ridge_line = [(float(x), skyline[x] - 2) for x in range(start, width)]
    outline = [*reversed(crest), *ridge_line, (width, height), (crest[-1][0], height)]
    return polygon_mask(size, outline).point([v * 4 // 5 for v in range(256)])
