"""Animations: every frame of a GIF, a WebP or an APNG, shrunk into one animated WebP."""

from PIL import Image, ImageSequence

from imageworker.pixels.color import to_srgb
from imageworker.pixels.decode import Photo, resizable
from imageworker.pixels.encode import encode_animated_webp
from imageworker.pixels.opening import opened
from imageworker.pixels.render import upright
from imageworker.pixels.resize import plan_sizes, shrink
from imageworker.recipe import Recipe
from volumes.sizes import Size

_USUAL_MILLISECONDS = 100
# Browsers take what is no longer than this, and zero above all, for a frame that does not say.
_NO_TIME_MILLISECONDS = 10


def is_animated_at(size: Size, photo: Photo, recipe: Recipe) -> bool:
    """Whether this size of the photo is made as an animation too."""
    if recipe.animation is None or photo.frames == 1:
        return False
    width, height = size.dimensions_of(photo.width, photo.height)
    return photo.frames * width * height <= recipe.animation.pixels_max


def encode_animation(
    original: bytes, photo: Photo, size: Size, recipe: Recipe, *, credit: bytes
) -> bytes:
    """The whole animation at one size, as WebP.

    Frames are decoded anew for every size: all of them at once would be too much to hold.

    Raises:
        UnprocessablePhoto: A frame cannot be decoded.
    """
    setting = recipe.animation
    assert setting is not None, "asked for only where the recipe has it"
    (step,) = plan_sizes((size,), width=photo.width, height=photo.height)
    frames: list[Image.Image] = []
    milliseconds: list[int] = []
    with opened(original, limits=recipe.limits) as again:
        loops = int(again.image.info.get("loop", 1))
        for frame in ImageSequence.Iterator(again.image):
            pixels = resizable(frame.copy())
            # A WebP says how long a frame lasts only once it is decoded.
            milliseconds.append(_shown_for(frame))
            shrunk = to_srgb(shrink(pixels, step), photo.profile).pixels
            frames.append(upright(shrunk, photo.metadata.orientation))
    return encode_animated_webp(frames, milliseconds, setting, loops=loops, credit=credit)


def _shown_for(frame: Image.Image) -> int:
    """The milliseconds a browser would show a frame for."""
    says = int(frame.info.get("duration", 0))
    return says if says > _NO_TIME_MILLISECONDS else _USUAL_MILLISECONDS
