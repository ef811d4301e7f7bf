"""Ten sizes of one photo, against a naive Pillow pass per size: full decode, resize, encode.

Both use the same encoder settings, so that only the way to the pixels differs. Glassplate also
makes the placeholder and the info document.
"""

import dataclasses
import io
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from bench.figures import Figure, compare
from imageworker.make_sizes import make_sizes
from imageworker.pixels.encode import encode_jpeg
from imageworker.recipe import DEFAULT_RECIPE
from volumes.sizes import DEFAULT_SIZES

NAME = "ten sizes of a 12-megapixel photo, against one naive Pillow pass each"
FLOOR = 3.0
RECIPE = dataclasses.replace(
    DEFAULT_RECIPE,
    sizes=tuple(size for size in DEFAULT_SIZES if not size.square and size.edge_pixels <= 2048),
)

_WIDTH, _HEIGHT = 4000, 3000
_QUALITY = 92
_GRAIN = 6.0
_SEED = 12


async def measure() -> Figure:
    """Measure the seconds of both, in this process."""
    original = render_test_photo()

    def measured() -> float:
        return _seconds(lambda: make_sizes(original, recipe=RECIPE))

    def baseline() -> float:
        return _seconds(lambda: naive_pass(original))

    return compare(NAME, FLOOR, measured, baseline, higher_is_better=False)


def naive_pass(original: bytes) -> list[bytes]:
    """Make every size of the recipe, each from the file."""
    made = []
    for size in RECIPE.sizes:
        with Image.open(io.BytesIO(original)) as photo:
            dimensions = size.dimensions_of(photo.width, photo.height)
            pixels = photo.resize(dimensions, Image.Resampling.LANCZOS)
        made.append(encode_jpeg(pixels, RECIPE.jpeg_for(size.edge_pixels), credit=b""))
    return made


def render_test_photo() -> bytes:
    """Render a JPEG with soft light, hard edges, and grain; the same bytes in every run."""
    rng = np.random.default_rng(_SEED)
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH].astype(np.float32)
    light = 110 + 70 * np.sin(x / 900) * np.cos(y / 700)
    edges = 40 * (((x // 250).astype(int) + (y // 180).astype(int)) % 2)
    channels = np.stack([light + edges, 0.8 * light + y / 40, 200 - 0.5 * light + edges], axis=2)
    grain = rng.normal(0, _GRAIN, size=(_HEIGHT, _WIDTH, 1)).astype(np.float32)
    pixels = np.clip(channels + grain, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
