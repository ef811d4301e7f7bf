"""Opening: a photo's header, read by the one reader for its format and held against the limits.

The order is the defence: bytes counted, format known by its magic, Pillow told to try that reader
and no other, pixels and frames counted, and only then, in the block of `opened`, a pixel decoded.
"""

import contextlib
import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from imageworker.pixels.formats import (
    AVIF,
    FORMATS,
    GIF,
    HEAD_BYTES,
    HEIC,
    PNG,
    WEBP,
    PhotoFormat,
    format_of,
)
from imageworker.pixels.gif_frames import count_gif_frames
from imageworker.pixels.truncation import declares_more, truncation_reason
from imageworker.processing_errors import (
    BrokenPhoto,
    MemoryLimitExceeded,
    PhotoTooLarge,
    TruncatedPhoto,
    UnknownFormat,
    UnprocessablePhoto,
)
from imageworker.recipe import Limits

try:
    import pillow_heif
except ImportError:  # the `heic` extra, which not every machine has a wheel for
    IS_HEIC_READ = False
else:
    IS_HEIC_READ = True
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.options.DEPTH_IMAGES = False
    pillow_heif.options.AUX_IMAGES = False
    pillow_heif.register_heif_opener()

# Loaded by name: Pillow, left to look for a reader by itself, would load all forty.
READERS = (
    AvifImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

# One photo, one thread: what a child may use of the processor and of memory is then predictable.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

_MEGA = 1_000_000
# What the readers say, each in its own words, of a file that ends too early.
_WORDS_OF_TRUNCATION = ("truncat", "too short", "end of file", "not enough image data", "premature")
_PIXELS_IN_PILLOWS_WORDS = re.compile(r"\((\d{1,20}) pixels\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A photo whose header is read and within the limits, and of which no pixel is decoded."""

    image: ImageFile.ImageFile
    format: PhotoFormat
    frames: int


@contextlib.contextmanager
def opened(original: bytes, *, limits: Limits) -> Iterator[Opened]:
    """The photo with its header read and held against the limits, and no pixel decoded yet.

    What the readers raise, here and in the block, leaves as one of ours.

    Raises:
        UnknownFormat, PhotoTooLarge, TruncatedPhoto, BrokenPhoto: It cannot be had.
    """
    if len(original) > limits.bytes_max:
        size, most = len(original) / _MEGA, limits.bytes_max / _MEGA
        raise PhotoTooLarge(f"{size:.0f} megabytes are over the limit of {most:.0f}")
    photo_format = _known_format(original)
    image = None
    with _bombs_are_errors(limits):
        try:
            with Image.open(io.BytesIO(original), formats=(photo_format.pillow_name,)) as image:
                assert isinstance(image, ImageFile.ImageFile), "what is opened comes from a file"
                _require_pixels_within(limits, image)
                frames = _count_frames(original, image, photo_format, at_most=limits.frames_max + 1)
                _require_frames_within(limits, image, frames)
                yield Opened(image=image, format=photo_format, frames=frames)
        except (UnprocessablePhoto, MemoryError):
            raise
        except Exception as error:
            raise _as_ours(error, original, photo_format, image, limits) from error


def _known_format(original: bytes) -> PhotoFormat:
    if not original:
        raise UnknownFormat("the file is empty")
    photo_format = format_of(original[:HEAD_BYTES])
    if photo_format is None:
        titles = [each.title for each in FORMATS]
        raise UnknownFormat(f"the file is not a {', '.join(titles[:-1])} or {titles[-1]} photo")
    if photo_format is HEIC and not IS_HEIC_READ:
        raise UnknownFormat("HEIC photos cannot be read here: the heic extra is not installed")
    return photo_format


def _require_pixels_within(limits: Limits, image: Image.Image) -> None:
    pixels = image.width * image.height
    if pixels > limits.pixels_max:
        raise PhotoTooLarge(
            f"{_megapixels(pixels)} megapixels ({image.width} x {image.height}) are over the "
            f"limit of {_megapixels(limits.pixels_max)}"
        )


def _require_frames_within(limits: Limits, image: Image.Image, frames: int) -> None:
    if frames > limits.frames_max:
        raise PhotoTooLarge(f"an animation of more than {limits.frames_max} frames")
    pixels = frames * image.width * image.height
    if frames > 1 and pixels > limits.animation_pixels_max:
        raise PhotoTooLarge(
            f"{frames} frames of {image.width} x {image.height} are {_megapixels(pixels)} "
            f"megapixels, over the limit of {_megapixels(limits.animation_pixels_max)}"
        )


def _count_frames(
    original: bytes, image: ImageFile.ImageFile, photo_format: PhotoFormat, *, at_most: int
) -> int:
    """The frames of an animation; what else holds several pictures shows its first one only."""
    if photo_format is GIF:
        return max(1, count_gif_frames(original, at_most=at_most))
    if photo_format in (WEBP, PNG, AVIF):
        return max(1, int(getattr(image, "n_frames", 1)))
    return 1


@contextlib.contextmanager
def _bombs_are_errors(limits: Limits) -> Iterator[None]:
    """Pillow's own guard with our limit, and its warning made an error; restored afterwards."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = limits.pixels_max
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _as_ours(
    error: Exception,
    original: bytes,
    photo_format: PhotoFormat,
    image: ImageFile.ImageFile | None,
    limits: Limits,
) -> UnprocessablePhoto:
    said = str(error)
    if isinstance(error, (Image.DecompressionBombWarning, Image.DecompressionBombError)):
        return _too_many_pixels(said, limits)
    is_short = any(word in said.lower() for word in _WORDS_OF_TRUNCATION)
    if is_short or declares_more(original, photo_format):
        return TruncatedPhoto(truncation_reason(original, photo_format, image))
    if "out of memory" in said.lower():
        return MemoryLimitExceeded("its sizes need more memory than a photo may use")
    if isinstance(error, UnidentifiedImageError):
        return BrokenPhoto(f"the file begins like a {photo_format.title}, but has no sound header")
    return BrokenPhoto(
        f"its {photo_format.title} data cannot be decoded ({said or 'no reason given'})"
    )


def _too_many_pixels(said: str, limits: Limits) -> PhotoTooLarge:
    """Pillow's own guard met them before ours, and has told how many."""
    counted = _PIXELS_IN_PILLOWS_WORDS.search(said)
    pixels = f"{_megapixels(int(counted[1]))} megapixels" if counted else "its pixels"
    return PhotoTooLarge(f"{pixels} are over the limit of {_megapixels(limits.pixels_max)}")


def _megapixels(pixels: int) -> str:
    return f"{pixels / _MEGA:.3g}" if pixels < 1000 * _MEGA else f"{pixels / _MEGA:.0f}"
