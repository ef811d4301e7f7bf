"""Animations: every frame of a GIF, WebP, or APNG, shrunk into one animated WebP."""

import itertools
from collections.abc import Iterator

from PIL import Image, ImageFile

from imageworker.pixels.color import to_srgb
from imageworker.pixels.decode import Photo, resizable
from imageworker.pixels.encode import encode_animated_webp
from imageworker.pixels.opening import opened
from imageworker.pixels.render import upright
from imageworker.pixels.resize import plan_sizes, shrink
from imageworker.recipe import Recipe
from volumes.sizes import Size

_USUAL_MILLISECONDS = 100
# Browsers treat a duration up to this, and zero in particular, as unspecified.
_UNSPECIFIED_MILLISECONDS_MAX = 10


def is_animated_at(size: Size, photo: Photo, recipe: Recipe) -> bool:
    """Return True if this size of the photo is also made as an animation."""
    if recipe.animation is None or photo.frames == 1:
        return False
    width, height = size.dimensions_of(photo.width, photo.height)
    return photo.frames * width * height <= recipe.animation.pixels_max


def encode_animation(
    original: bytes, photo: Photo, size: Size, recipe: Recipe, *, credit: bytes
) -> tuple[bytes, int]:
    """Encode the animation at one size, as WebP; return it and its number of frames.

    It ends before the first frame that cannot be decoded, as in browsers.

    Frames are decoded again for every size, because all of them at once need too much memory.

    Raises:
        UnprocessablePhoto: A frame cannot be decoded.
    """
    setting = recipe.animation
    assert setting is not None, "the caller checks is_animated_at"
    (step,) = plan_sizes((size,), width=photo.width, height=photo.height)
    frames: list[Image.Image] = []
    milliseconds: list[int] = []
    with opened(original, limits=recipe.limits) as again:
        loops = int(again.image.info.get("loop", 1))
        for frame in _decodable(again.image):
            pixels = resizable(again.shown(frame).copy())
            # A WebP says how long a frame lasts only once it is decoded.
            milliseconds.append(_shown_for(frame))
            shrunk = to_srgb(shrink(pixels, step), photo.profile).pixels
            frames.append(upright(shrunk, photo.metadata.orientation))
    data = encode_animated_webp(frames, milliseconds, setting, loops=loops, credit=credit)
    return data, len(frames)


def _decodable(image: ImageFile.ImageFile) -> Iterator[ImageFile.ImageFile]:
    """Yield the image at each frame, loaded, up to one that is damaged."""
    for at in itertools.count():
        try:
            image.seek(at)
            image.load()
        except EOFError:
            return
        except (OSError, RuntimeError, SyntaxError, ValueError):
            if at == 0:
                raise
            return
        yield image


def _shown_for(frame: Image.Image) -> int:
    """Return how long a browser shows the frame, in milliseconds."""
    declared = int(frame.info.get("duration", 0))
    return declared if declared > _UNSPECIFIED_MILLISECONDS_MAX else _USUAL_MILLISECONDS
