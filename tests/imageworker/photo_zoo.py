"""Generated photos of every kind: formats, colors, depths, orientations, and animations."""

import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pillow_heif
from PIL import ExifTags, Image, ImageDraw

from imageworker.pixels.icc_profile import ADOBE_RGB_PROFILE, DISPLAY_P3_PROFILE
from tests.imageworker import png_writer
from tests.imageworker.cmyk_profile import cmyk_profile

pillow_heif.register_heif_opener()

WIDTH, HEIGHT = 360, 240
ORIENTATIONS = tuple(range(1, 9))
FORMATS_WITH_ORIENTATION = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")

# Operation that stores an upright image so that EXIF's orientation restores it.
_UNTURN = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True, slots=True)
class Specimen:
    """A photo, its ext, and the image it shows, RGB on white, if that is simple."""

    data: bytes
    ext: str
    shows: Image.Image
    frames: int = 1


@functools.cache
def picture(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Return an image with distinct corners, edges, and colors."""
    shown = Image.new("RGB", (width, height), (150, 160, 170))
    draw = ImageDraw.Draw(shown)
    w, h = width // 3, height // 3
    draw.rectangle((0, 0, w, h), fill=(200, 40, 40))
    draw.rectangle((2 * w, 0, width, h), fill=(40, 180, 60))
    draw.rectangle((0, 2 * h, w, height), fill=(40, 60, 200))
    draw.ellipse((w, h, 2 * w, 2 * h), fill=(250, 220, 90))
    draw.line((0, height, width, 0), fill=(20, 20, 20), width=max(1, height // 60))
    return shown


def save(shown: Image.Image, pillow_name: str, **settings: object) -> bytes:
    """Return the image in a format, written by Pillow."""
    buffer = io.BytesIO()
    shown.save(buffer, pillow_name, **settings)
    return buffer.getvalue()


def turned(orientation: int, pillow_name: str) -> bytes:
    """Return the image stored so that only EXIF's orientation makes it upright."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    turn = _UNTURN[orientation]
    stored = picture() if turn is None else picture().transpose(turn)
    return save(stored, pillow_name, exif=exif.tobytes(), quality=95)


def translucent() -> Image.Image:
    """Return the image as a disc that fades to transparent."""
    shown = picture().convert("RGBA")
    shown.putalpha(Image.radial_gradient("L").resize(shown.size).point(lambda level: 255 - level))
    return shown


def on_white(shown: Image.Image) -> Image.Image:
    """Return a transparent image on a white background."""
    paper = Image.new("RGBA", shown.size, (255, 255, 255, 255))
    return Image.alpha_composite(paper, shown.convert("RGBA")).convert("RGB")


def moving(frames: int = 4, size: tuple[int, int] = (WIDTH, HEIGHT)) -> list[Image.Image]:
    """Return the frames of an animation, each in another color."""
    return [Image.new("RGB", size, (60 * n % 256, 200 - 40 * n % 200, 90)) for n in range(frames)]


def _sixteen_bits(color: int, channels: int, *, interlaced: bool = False) -> bytes:
    gray_or_color = {
        1: picture().convert("L"),
        2: picture().convert("LA"),
        3: picture(),
        4: picture().convert("RGBA"),
    }[channels]
    samples = np.asarray(gray_or_color).reshape(HEIGHT, WIDTH, channels).astype(np.uint16) * 257
    return png_writer.write_png(samples, color=color, interlaced=interlaced)


def _gray_tiff() -> bytes:
    samples = np.asarray(picture().convert("L")).astype(np.uint16) * 257
    return save(Image.fromarray(samples), "TIFF")


def _adobe_rgb_by_index() -> bytes:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = 0xFFFF
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.IFD.Interop] = {1: "R03"}
    return save(picture(), "JPEG", quality=95, exif=exif.tobytes())


def _multi_picture() -> bytes:
    return save(picture(), "MPO", save_all=True, append_images=[Image.new("RGB", (40, 30))])


def _heic_in_p3() -> bytes:
    return save(picture(), "HEIF", quality=95, icc_profile=DISPLAY_P3_PROFILE)


def _animated(pillow_name: str) -> bytes:
    first, *rest = moving()
    return save(first, pillow_name, save_all=True, append_images=rest, duration=80, loop=0)


def _makers() -> Mapping[str, tuple[str, Callable[[], bytes]]]:
    shown = picture()
    return {
        "JPEG": ("jpg", lambda: save(shown, "JPEG", quality=95)),
        "progressive JPEG": ("jpg", lambda: save(shown, "JPEG", quality=95, progressive=True)),
        "4:4:4 JPEG": ("jpg", lambda: save(shown, "JPEG", quality=95, subsampling=0)),
        "gray JPEG": ("jpg", lambda: save(shown.convert("L"), "JPEG", quality=95)),
        "CMYK JPEG": ("jpg", lambda: save(shown.convert("CMYK"), "JPEG", quality=95)),
        "multi-picture JPEG": ("jpg", _multi_picture),
        "PNG": ("png", lambda: save(shown, "PNG")),
        "16-bit PNG": ("png", lambda: _sixteen_bits(png_writer.RGB, 3)),
        "16-bit gray PNG": ("png", lambda: _sixteen_bits(png_writer.GRAY, 1)),
        "16-bit gray PNG with alpha": ("png", lambda: _sixteen_bits(png_writer.GRAY_ALPHA, 2)),
        "16-bit PNG with alpha": ("png", lambda: _sixteen_bits(png_writer.RGBA, 4)),
        "interlaced PNG": ("png", lambda: _sixteen_bits(png_writer.RGB, 3, interlaced=True)),
        "gray PNG": ("png", lambda: save(shown.convert("L"), "PNG")),
        "palette PNG": ("png", lambda: save(shown.quantize(200), "PNG")),
        "PNG with alpha": ("png", lambda: save(translucent(), "PNG")),
        "gray PNG with alpha": ("png", lambda: save(translucent().convert("LA"), "PNG")),
        "GIF": ("gif", lambda: save(shown.quantize(200), "GIF")),
        "WebP": ("webp", lambda: save(shown, "WEBP", quality=95)),
        "lossless WebP with alpha": ("webp", lambda: save(translucent(), "WEBP", lossless=True)),
        "AVIF": ("avif", lambda: save(shown, "AVIF", quality=90)),
        "AVIF with alpha": ("avif", lambda: save(translucent(), "AVIF", quality=90)),
        "TIFF": ("tif", lambda: save(shown, "TIFF")),
        "LZW TIFF": ("tif", lambda: save(shown, "TIFF", compression="tiff_lzw")),
        "JPEG in TIFF": ("tif", lambda: save(shown, "TIFF", compression="jpeg", quality=95)),
        "16-bit gray TIFF": ("tif", _gray_tiff),
        "CMYK TIFF": ("tif", lambda: save(shown.convert("CMYK"), "TIFF")),
        "HEIC": ("heic", lambda: save(shown, "HEIF", quality=90)),
    }


GOOD = tuple(_makers())
"""Names of the photos that show `picture()`, gray or on white if the name says so."""

ANIMATED = {"GIF": "gif", "WEBP": "webp", "PNG": "png"}


@functools.cache
def good(name: str) -> Specimen:
    """Return a photo by its name."""
    ext, make = _makers()[name]
    shows = on_white(translucent()) if "alpha" in name and "16-bit" not in name else picture()
    return Specimen(make(), ext, shows.convert("L").convert("RGB") if "gray" in name else shows)


def animated(pillow_name: str) -> bytes:
    """Return an animation of `moving()` in a format."""
    return _animated(pillow_name)


def in_adobe_rgb() -> bytes:
    """Return a JPEG with an Adobe RGB profile."""
    return save(picture(), "JPEG", quality=98, icc_profile=ADOBE_RGB_PROFILE)


def in_adobe_rgb_by_index() -> bytes:
    """Return a JPEG without a profile whose EXIF says Adobe RGB, as many cameras write it."""
    return _adobe_rgb_by_index()


def in_display_p3(pillow_name: str = "JPEG") -> bytes:
    """Return a photo with a Display P3 profile, as phones write it."""
    return save(picture(), pillow_name, quality=98, icc_profile=DISPLAY_P3_PROFILE)


def in_inks() -> bytes:
    """Return a CMYK JPEG with its own profile."""
    return save(
        picture().convert("CMYK"), "JPEG", quality=98, subsampling=0, icc_profile=cmyk_profile()
    )
