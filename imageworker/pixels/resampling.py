"""Resampling of a box of an image to fewer pixels, by the fastest available library.

With the `simd` extra, a SIMD library does Lanczos; its bytes are the same on every processor.
Without it, and for gray with transparency, Pillow does it with faster filters for large photos.
docs/performance.md has the figures of both.
"""

from PIL import Image

try:
    import cykooz_resizer
except ImportError:  # the `simd` extra is not installed; some machines have no wheel for it
    IS_SIMD_USED = False
else:
    IS_SIMD_USED = True

Box = tuple[float, float, float, float]
"""Left, top, right, and bottom, in pixels of the source; fractions are allowed."""

_SIMD_MODES = ("RGB", "RGBA", "CMYK", "L")

# For Pillow: a box filter first, if the factor is more than twice this, down to this factor.
REDUCING_GAP = 1.5
# For Pillow: the first step from a photo this large is half of the work. Bicubic takes two thirds
# of the time of Lanczos, and is within the required quality from this factor on.
BICUBIC_ABOVE_PIXELS = 8_000_000
BICUBIC_ABOVE_SHRINKING = 1.5


def resample(source: Image.Image, box: Box, *, width: int, height: int) -> Image.Image:
    """Resample the box of the source to `width` x `height` pixels."""
    if IS_SIMD_USED and source.mode in _SIMD_MODES:
        return _by_simd(source, box, width, height)
    return _by_pillow(source, box, width, height)


def _by_simd(source: Image.Image, box: Box, width: int, height: int) -> Image.Image:
    left, top, right, bottom = box
    options = cykooz_resizer.ResizeOptions(
        resize_alg=cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.lanczos3),
        crop_box=cykooz_resizer.CropBox(left, top, right - left, bottom - top),
        use_alpha=source.mode == "RGBA",
        thread_pool=None,
    )
    shrunk = Image.new(source.mode, (width, height), None)
    cykooz_resizer.Resizer().resize_pil(source, shrunk, options)
    return shrunk


def _by_pillow(source: Image.Image, box: Box, width: int, height: int) -> Image.Image:
    is_bicubic = _is_bicubic(box, width, height)
    kernel = Image.Resampling.BICUBIC if is_bicubic else Image.Resampling.LANCZOS
    return source.resize((width, height), kernel, box=box, reducing_gap=REDUCING_GAP)


def _is_bicubic(box: Box, width: int, height: int) -> bool:
    left, top, right, bottom = box
    shrinking = min((right - left) / width, (bottom - top) / height)
    is_large = (right - left) * (bottom - top) > BICUBIC_ABOVE_PIXELS
    return is_large and BICUBIC_ABOVE_SHRINKING <= shrinking < 2 * REDUCING_GAP
