"""Conversion of pixels from the color space of a photo to sRGB."""

import functools
import io
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageCms

from imageworker.pixels.icc_profile import SRGB_PROFILE

_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_SPACE_OF_MODE = {"RGB": "RGB", "RGBA": "RGB", "L": "GRAY", "LA": "GRAY", "CMYK": "CMYK"}
# A profile that changes no color of a coarse grid by more than this is equal to sRGB.
_SAME_LEVELS = 1
_GRID_STEPS = 6


@dataclass(frozen=True, slots=True)
class InSrgb:
    """Pixels in sRGB, as RGB or RGBA, and a note if the color space had to be guessed."""

    pixels: Image.Image
    note: str | None = None


def to_srgb(pixels: Image.Image, profile: bytes | None) -> InSrgb:
    """Convert RGB, RGBA, L, LA, or CMYK pixels to sRGB, with their profile if it is usable.

    Relative colorimetric with black point compensation keeps neutrals neutral and shadows open.
    """
    if not profile:
        note = "no color profile: CMYK taken as plain ink" if pixels.mode == "CMYK" else None
        return InSrgb(_without_profile(pixels), note)
    try:
        return InSrgb(_by_profile(pixels, ImageCms.ImageCmsProfile(io.BytesIO(profile))))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return InSrgb(_without_profile(pixels), "color profile ignored: it cannot be used")


def _by_profile(pixels: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    if profile.profile.xcolor_space.strip() != _SPACE_OF_MODE[pixels.mode]:
        raise ValueError("the profile is for another color space")
    if pixels.mode == "LA":
        gray, alpha = pixels.split()
        colored = _by_profile(gray, profile)
        colored.putalpha(alpha)
        return colored
    if pixels.mode in {"RGB", "RGBA"} and _is_srgb(profile):
        return pixels
    target = "RGBA" if pixels.mode == "RGBA" else "RGB"
    converted = _transform(profile, pixels.mode, target).apply(pixels)
    converted.info.clear()
    return converted


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    grid = _color_grid()
    moved = ImageChops.difference(grid, _transform(profile, "RGB", "RGB").apply(grid))
    return max(moved.tobytes()) <= _SAME_LEVELS


def _transform(
    profile: ImageCms.ImageCmsProfile, mode: str, target: str
) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        profile, _srgb(), mode, target, renderingIntent=_INTENT, flags=_FLAGS
    )


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(SRGB_PROFILE))


@functools.cache
def _color_grid() -> Image.Image:
    levels = [255 * step // (_GRID_STEPS - 1) for step in range(_GRID_STEPS)]
    colors = bytes(
        v for red in levels for green in levels for blue in levels for v in (red, green, blue)
    )
    return Image.frombytes("RGB", (_GRID_STEPS**2, _GRID_STEPS), colors)


def _without_profile(pixels: Image.Image) -> Image.Image:
    return pixels.convert("RGBA" if pixels.mode in {"LA", "RGBA"} else "RGB")
