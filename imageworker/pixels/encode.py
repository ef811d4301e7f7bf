"""Encoding of sRGB pixels to the bytes of a variant. The same pixels give the same bytes.

A variant has pixels, a small sRGB profile, and the credit if the recipe keeps it. The encoders
receive no other data of the original.
"""

import io
from collections.abc import Sequence

from PIL import Image, ImageFile

from imageworker.pixels.icc_profile import SRGB_PROFILE
from imageworker.recipe import AnimationSetting, AvifSetting, JpegSetting, WebpSetting

_SUBSAMPLING_CODES = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
# JPEG's prefix of an EXIF segment. Pillow removes it for a still WebP, not for an animated one.
_EXIF_PREFIX = b"Exif\0\0"
_WHITE = (255, 255, 255)
# Browsers show a shorter frame for 100 milliseconds. The file declares that duration itself, so
# that it plays the same everywhere.
_FRAME_MILLISECONDS_LEAST = 20
_FRAME_MILLISECONDS_USUAL = 100
# A WebP counts in 16 bits.
_LOOPS_MAX = 0xFFFF


def encode_jpeg(pixels: Image.Image, setting: JpegSetting, *, credit: bytes) -> bytes:
    """Encode JPEG, with transparency on white. `credit` is EXIF, or empty."""
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
    """Encode lossy WebP with transparency."""
    return _save(
        pixels,
        "WEBP",
        quality=setting.quality,
        method=setting.effort,
        icc_profile=SRGB_PROFILE,
        exif=credit,
    )


def encode_avif(pixels: Image.Image, setting: AvifSetting, *, credit: bytes) -> bytes:
    """Encode AVIF with transparency, in one thread: several threads can give different bytes."""
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
    """Encode the frames as one animated WebP. It repeats endlessly if `loops` is 0."""
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
        loop=min(loops, _LOOPS_MAX),
        quality=setting.quality,
        method=setting.effort,
        icc_profile=SRGB_PROFILE,
        exif=credit.removeprefix(_EXIF_PREFIX),
    )


def on_white(pixels: Image.Image) -> Image.Image:
    """Return the pixels over a white background, without transparency."""
    if pixels.mode != "RGBA":
        return pixels
    background = Image.new("RGB", pixels.size, _WHITE)
    background.paste(pixels, mask=pixels.getchannel("A"))
    return background


def _save(pixels: Image.Image, pillow_name: str, **settings: object) -> bytes:
    buffer = io.BytesIO()
    # Pillow needs room for a whole file with optimized tables; noise takes four bytes per pixel.
    ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 4 * pixels.width * pixels.height + 65536)
    pixels.save(buffer, pillow_name, **settings)
    return buffer.getvalue()
