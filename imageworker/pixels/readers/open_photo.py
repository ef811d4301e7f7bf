"""The one reader for each format. Pillow is never left to look for a reader by itself."""

import io
from collections.abc import Callable

from PIL import ImageFile, WebPImagePlugin

from imageworker.pixels.formats import AVIF, GIF, HEIC, JPEG, PNG, TIFF, WEBP, PhotoFormat
from imageworker.pixels.readers.avif_reader import AvifReader
from imageworker.pixels.readers.gif_reader import GifReader
from imageworker.pixels.readers.heif_container import with_brand
from imageworker.pixels.readers.jpeg_reader import JpegReader
from imageworker.pixels.readers.png_reader import PngReader
from imageworker.pixels.readers.tiff_reader import TiffReader

try:
    import pillow_heif
    from pillow_heif.as_plugin import HeifImageFile
except ImportError:  # the `heic` extra, which not every machine has a wheel for
    IS_HEIC_READ = False
else:
    IS_HEIC_READ = True
    # One photo, one thread: what a child may use of the processor is then predictable.
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.options.DEPTH_IMAGES = False
    pillow_heif.options.AUX_IMAGES = False


def open_photo(
    original: bytes, photo_format: PhotoFormat, *, pixels_max: int, frames_max: int
) -> ImageFile.ImageFile:
    """Return the photo with its header read and no pixel decoded.

    Raises:
        Exception: Whatever the reader raises; `opening` puts it into words.
    """
    if photo_format is GIF:
        return GifReader(original, pixels_max=pixels_max, frames_max=frames_max)
    return _READERS[photo_format.ext](original)


def _open_heic(original: bytes) -> ImageFile.ImageFile:
    branded = with_brand(original, b"heic")
    image: ImageFile.ImageFile = HeifImageFile(io.BytesIO(branded))  # type: ignore[no-untyped-call]
    return image


_READERS: dict[str, Callable[[bytes], ImageFile.ImageFile]] = {
    JPEG.ext: JpegReader,
    PNG.ext: PngReader,
    WEBP.ext: lambda original: WebPImagePlugin.WebPImageFile(io.BytesIO(original)),
    AVIF.ext: AvifReader,
    HEIC.ext: _open_heic,
    TIFF.ext: lambda original: TiffReader(io.BytesIO(original)),
}
