"""The second opinion: what libvips shows of a file, beside what the image worker shows."""

import numpy as np
import pyvips

from imageworker.pixels.color import to_srgb
from imageworker.pixels.decode import decode
from imageworker.pixels.encode import on_white
from imageworker.pixels.render import upright
from imageworker.recipe import DEFAULT_RECIPE

LEVELS_MAX = 3
"""The largest difference of two decoders at any pixel."""


def by_worker(data: bytes) -> np.ndarray:
    """Return the pixels as the worker shows them: upright, sRGB, on white, of full size."""
    photo = decode(data, limits=DEFAULT_RECIPE.limits, sizes=DEFAULT_RECIPE.sizes)
    pixels = to_srgb(photo.pixels, photo.profile).pixels
    return np.asarray(on_white(upright(pixels, photo.metadata.orientation)).convert("RGB"))


def by_libvips(data: bytes) -> np.ndarray:
    """Return the pixels as libvips shows them, in the same form.

    Raises:
        pyvips.Error: libvips does not open the file.
    """
    image = pyvips.Image.new_from_buffer(data, "", fail_on="error").autorot()
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, black_point_compensation=True)
    image = image.cast("uchar", shift=image.format == "ushort")
    image = image.copy(interpretation="srgb" if image.bands > 2 else "b-w")
    if image.hasalpha():
        image = image.flatten(background=255)
    if image.bands == 1:
        image = image.bandjoin([image, image])
    return image.numpy()[..., :3]


def levels_apart(one: np.ndarray, other: np.ndarray) -> int:
    """Return the largest difference of any sample; 256 where the dimensions differ."""
    if one.shape != other.shape:
        return 256
    return int(np.abs(one.astype(int) - other.astype(int)).max(initial=0))
