"""Decoding of an original: the pixels of its first frame, as large as the sizes need.

A truncated file is rejected, never filled with gray.
"""

from dataclasses import dataclass

from PIL import Image

from imageworker.pixels.formats import AVIF, JPEG, PhotoFormat
from imageworker.pixels.icc_profile import ADOBE_RGB_PROFILE, DISPLAY_P3_PROFILE
from imageworker.pixels.metadata import Metadata, read_metadata
from imageworker.pixels.opening import opened
from imageworker.pixels.readers.tiff_reader import to_eight_bits
from imageworker.pixels.resize import Choice, draft_scale
from imageworker.processing_errors import BrokenPhoto
from imageworker.recipe import Limits
from volumes.sizes import Size, sizes_of

_NCLX_DISPLAY_P3 = 12
_NUMBERS = {"I": "whole numbers of 32 bits", "F": "floating-point numbers"}
_RESIZABLE_MODES = ("RGB", "RGBA", "L", "LA", "CMYK")
_MODE_TO_RESIZE_AS = {
    "1": "L",
    "La": "LA",
    "PA": "RGBA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "YCbCr": "RGB",
    "LAB": "RGB",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A decoded photo: the pixels of its first frame, with the stored orientation and colors.

    `width` and `height` are the stored dimensions; the pixels are `drafted` times smaller. Their
    mode is RGB, RGBA, L, LA, or CMYK, in the color space of `profile`.
    """

    pixels: Image.Image
    format: PhotoFormat
    width: int
    height: int
    drafted: int
    frames: int
    is_hdr: bool
    profile: bytes | None
    metadata: Metadata


def decode(
    original: bytes, *, limits: Limits, sizes: tuple[Size, ...], choose: Choice = sizes_of
) -> Photo:
    """Decode a photo, at least as large as the chosen sizes need.

    Raises:
        UnprocessablePhoto: It cannot be decoded; see `opened`.
    """
    with opened(original, limits=limits) as photo:
        image = photo.image
        width, height = image.size
        drafted = 1
        if photo.format is JPEG:
            scale = draft_scale(sizes, width=width, height=height, choose=choose)
            image.draft(None, (max(1, width // scale), max(1, height // scale)))
            drafted = 1 if image.size == (width, height) else scale
        image.load()
        shown: Image.Image = image
        if drafted == 1:
            # The dimensions of a decoded HEIC can differ from its header.
            shown = photo.shown(image) if photo.format is AVIF else image
            width, height = shown.size
        metadata = read_metadata(original, image, photo.format)
        profile = _profile_of(image, metadata)
        return Photo(
            pixels=resizable(shown),
            format=photo.format,
            width=width,
            height=height,
            drafted=drafted,
            frames=photo.frames,
            is_hdr=photo.is_hdr,
            profile=profile,
            metadata=metadata,
        )


def resizable(image: Image.Image) -> Image.Image:
    """Return the pixels in a mode that can be shrunk, without palette or metadata.

    16 bits become 8. The image keeps no comment or profile that an encoder could write.

    Raises:
        BrokenPhoto: The mode has no defined white level.
    """
    if image.mode == "P" or (image.mode in {"1", "L", "RGB"} and image.has_transparency_data):
        pixels = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode.startswith("I;16"):
        pixels = to_eight_bits(image)
    elif image.mode in _MODE_TO_RESIZE_AS:
        pixels = image.convert(_MODE_TO_RESIZE_AS[image.mode])
    elif image.mode in _RESIZABLE_MODES:
        pixels = image
    else:
        raise BrokenPhoto(
            "its pixels are numbers without a known white "
            f"({_NUMBERS.get(image.mode, image.mode)}); save it with 8 or 16 bits a sample"
        )
    pixels.info.clear()
    return pixels


def _profile_of(image: Image.Image, metadata: Metadata) -> bytes | None:
    """Return the attached color profile, or the one that the metadata names."""
    attached = image.info.get("icc_profile")
    if isinstance(attached, bytes) and attached:
        return attached
    if image.mode == "RGB" and metadata.is_adobe_rgb:
        return ADOBE_RGB_PROFILE
    nclx = image.info.get("nclx_profile")
    if isinstance(nclx, dict) and nclx.get("color_primaries") == _NCLX_DISPLAY_P3:
        return DISPLAY_P3_PROFILE
    return None
