"""Opening of a photo: reads its header with the one reader for its format, and checks the limits.

The order of the checks is the defense: the number of bytes, the magic, the header by that format's
reader only, the number of pixels, and the number of frames. Pixels are decoded only after these,
in the block of `opened`.
"""

import contextlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageFile

from imageworker.pixels.formats import AVIF, FORMATS, GIF, HEIC, PNG, WEBP, PhotoFormat, format_of
from imageworker.pixels.readers.avif_reader import AvifReader
from imageworker.pixels.readers.heif_container import is_hdr
from imageworker.pixels.readers.heif_transforms import Rectangle
from imageworker.pixels.readers.open_photo import IS_HEIC_READ, open_photo
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

_MEGA = 1_000_000
# Parts of the readers' error messages for a file that ends too early.
_TRUNCATION_MESSAGES = ("truncat", "too short", "end of file", "not enough image data", "premature")
_PIXELS_IN_MESSAGE = re.compile(r"\((\d{1,20}) pixels\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A photo whose header is within the limits, before any pixel is decoded."""

    image: ImageFile.ImageFile
    format: PhotoFormat
    frames: int
    canvas: Rectangle
    """The part of the decoded pixels that is shown."""
    is_hdr: bool

    def shown(self, pixels: Image.Image) -> Image.Image:
        """Return the part of decoded pixels that is shown."""
        return pixels if self.canvas == (0, 0, *pixels.size) else pixels.crop(self.canvas)


@contextlib.contextmanager
def opened(original: bytes, *, limits: Limits) -> Iterator[Opened]:
    """Read the header of a photo, check it against the limits, and close it when the block exits.

    Errors of the readers are converted, also the ones that the block raises.

    Raises:
        UnknownFormat: The format is not supported.
        PhotoTooLarge: The photo exceeds a limit.
        TruncatedPhoto: The file ends before its image does.
        BrokenPhoto: The header or the image data cannot be decoded.
    """
    if len(original) > limits.bytes_max:
        size, most = len(original) / _MEGA, limits.bytes_max / _MEGA
        raise PhotoTooLarge(f"{size:.0f} megabytes are over the limit of {most:.0f}")
    photo_format = _known_format(original)
    image = None
    with _bombs_are_errors(limits):
        try:
            with open_photo(
                original,
                photo_format,
                pixels_max=limits.pixels_max,
                frames_max=limits.frames_max,
            ) as image:
                _require_pixels_within(limits, image)
                frames = _count_frames(image, photo_format)
                _require_frames_within(limits, image, frames)
                yield Opened(
                    image=image,
                    format=photo_format,
                    frames=frames,
                    canvas=_canvas_of(image),
                    is_hdr=photo_format in (AVIF, HEIC) and is_hdr(original),
                )
        except (UnprocessablePhoto, MemoryError):
            raise
        except Exception as error:
            raise _convert_error(error, original, photo_format, image, limits) from error


def _known_format(original: bytes) -> PhotoFormat:
    if not original:
        raise UnknownFormat("the file is empty")
    photo_format = format_of(original)
    if photo_format is None:
        titles = [each.title for each in FORMATS]
        raise UnknownFormat(f"the file is not a {', '.join(titles[:-1])} or {titles[-1]} photo")
    if photo_format is HEIC and not IS_HEIC_READ:
        raise UnknownFormat("HEIC photos cannot be read here: the heic extra is not installed")
    return photo_format


def _canvas_of(image: Image.Image) -> Rectangle:
    # libheif crops by itself; libavif leaves it to its caller.
    return image.canvas if isinstance(image, AvifReader) else (0, 0, *image.size)


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


def _count_frames(image: ImageFile.ImageFile, photo_format: PhotoFormat) -> int:
    """Return the number of frames of an animation; 1 for formats that only hold several images."""
    if photo_format in (GIF, WEBP, PNG, AVIF):
        return max(1, int(getattr(image, "n_frames", 1)))
    return 1


@contextlib.contextmanager
def _bombs_are_errors(limits: Limits) -> Iterator[None]:
    """Set Pillow's pixel limit and make its warning an error, until the block exits."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = limits.pixels_max
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _convert_error(
    error: Exception,
    original: bytes,
    photo_format: PhotoFormat,
    image: ImageFile.ImageFile | None,
    limits: Limits,
) -> UnprocessablePhoto:
    message = str(error)
    if isinstance(error, (Image.DecompressionBombWarning, Image.DecompressionBombError)):
        return _too_many_pixels(message, limits)
    is_short = any(part in message.lower() for part in _TRUNCATION_MESSAGES)
    if is_short or declares_more(original, photo_format):
        return TruncatedPhoto(truncation_reason(original, photo_format, image))
    if "out of memory" in message.lower():
        return MemoryLimitExceeded("its sizes need more memory than a photo may use")
    if isinstance(error, SyntaxError):
        return BrokenPhoto(
            f"its {photo_format.title} header is damaged, or of a kind that is not read "
            f"({message or 'no reason given'})"
        )
    return BrokenPhoto(
        f"its {photo_format.title} data cannot be decoded ({message or 'no reason given'})"
    )


def _too_many_pixels(message: str, limits: Limits) -> PhotoTooLarge:
    """Return the error for a photo that Pillow's own guard rejected, with the count it reports."""
    counted = _PIXELS_IN_MESSAGE.search(message)
    pixels = f"{_megapixels(int(counted[1]))} megapixels" if counted else "its pixels"
    return PhotoTooLarge(f"{pixels} are over the limit of {_megapixels(limits.pixels_max)}")


def _megapixels(pixels: int) -> str:
    return f"{pixels / _MEGA:.3g}" if pixels < 1000 * _MEGA else f"{pixels / _MEGA:.0f}"
