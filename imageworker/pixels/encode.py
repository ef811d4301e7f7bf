"""Encoding: pixels in sRGB as the bytes of a variant, the same bytes every time.

A variant has pixels, the small sRGB profile and, where the recipe keeps it, the credit: nothing
else of the original goes along, because the encoders are given nothing else.
"""

import io
from collections.abc import Sequence

from PIL import Image, ImageFile

from imageworker.pixels.icc_profile import SRGB_PROFILE
from imageworker.recipe import AnimationSetting, AvifSetting, JpegSetting, WebpSetting

_SUBSAMPLING_CODES = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
# JPEG's mark of an EXIF segment. Pillow takes it off for a still WebP, not for an animated one.
_EXIF_PREFIX = b"Exif\0\0"
_WHITE = (255, 255, 255)
# Browsers show a frame of less than this as one of 100 milliseconds; so that one file plays the
# same everywhere, it says so itself.
_FRAME_MILLISECONDS_LEAST = 20
_FRAME_MILLISECONDS_USUAL = 100


def encode_jpeg(pixels: Image.Image, setting: JpegSetting, *, credit: bytes) -> bytes:
    """The pixels as JPEG, on white where they are transparent. `credit` is EXIF, or nothing."""
    return _save(
        on_white(pixels),
        "JPEG",
        quality=setting.quality,
        subsampling=_SUBSAMPLING_CODES[setting.subsampling],
        progressive=setting.progressive,
        optimize=setting.optimize,
        icc_profile=SRGB_PROFILE,
        exif=credit,
    )


def encode_webp(pixels: Image.Image, setting: WebpSetting, *, credit: bytes) -> bytes:
    """The pixels as lossy WebP, transparency kept."""
    return _save(
        pixels,
        "WEBP",
        quality=setting.quality,
        method=setting.effort,
        icc_profile=SRGB_PROFILE,
        exif=credit,
    )


def encode_avif(pixels: Image.Image, setting: AvifSetting, *, credit: bytes) -> bytes:
    """The pixels as AVIF, transparency kept; one thread, because several may differ in bytes."""
    return _save(
        pixels,
        "AVIF",
        quality=setting.quality,
        speed=setting.speed,
        codec="aom",
        max_threads=1,
        icc_profile=SRGB_PROFILE,
        exif=credit,
    )


def encode_animated_webp(
    frames: Sequence[Image.Image],
    milliseconds: Sequence[int],
    setting: AnimationSetting,
    *,
    loops: int,
    credit: bytes,
) -> bytes:
    """The frames as one animated WebP. `loops` is 0 for ever."""
    shown_for = [
        each if each >= _FRAME_MILLISECONDS_LEAST else _FRAME_MILLISECONDS_USUAL
        for each in milliseconds
    ]
    return _save(
        frames[0],
        "WEBP",
        save_all=True,
        append_images=list(frames[1:]),
        duration=shown_for,
        loop=loops,
        quality=setting.quality,
        method=setting.effort,
        icc_profile=SRGB_PROFILE,
        exif=credit.removeprefix(_EXIF_PREFIX),
    )


def on_white(pixels: Image.Image) -> Image.Image:
    """The pixels without transparency: what shines through is white."""
    if pixels.mode != "RGBA":
        return pixels
    paper = Image.new("RGB", pixels.size, _WHITE)
    paper.paste(pixels, mask=pixels.getchannel("A"))
    return paper


def _save(pixels: Image.Image, pillow_name: str, **settings: object) -> bytes:
    buffer = io.BytesIO()
    # libjpeg gives a file with tables of its own in one piece, and noise has four bytes a pixel.
    ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 4 * pixels.width * pixels.height + 65536)
    pixels.save(buffer, pillow_name, **settings)
    return buffer.getvalue()
