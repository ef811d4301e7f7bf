"""Error text for a truncated photo, with the share of it that is present."""

from collections.abc import Mapping

from PIL import ImageFile

from imageworker.pixels.formats import AVIF, HEIC, PNG, TIFF, WEBP, PhotoFormat
from storagemaster.image_header.exif import Entry, parse_exif

_BOX_HEADER_BYTES = 8
# A TIFF's tags for the offsets and the lengths of its strips, and of its tiles.
_PIECES = ((273, 279), (324, 325))


def declares_more(original: bytes, photo_format: PhotoFormat) -> bool:
    """Return True if the file declares a length beyond its end."""
    return _declared_bytes(original, photo_format) > len(original)


def truncation_reason(
    original: bytes, photo_format: PhotoFormat, image: ImageFile.ImageFile | None
) -> str:
    """Describe a file that ends too early, with the share that is present, if known."""
    if declares_more(original, photo_format):
        share = _percent(len(original), _declared_bytes(original, photo_format))
        return f"the file ends after {share} of its declared length"
    if image is not None and photo_format is PNG and not image.info.get("interlace"):
        rows = _rows_decoded(image)
        if 0 < rows < image.height:
            return f"the file ends after about {_percent(rows, image.height)} of its image data"
    return "the file ends before its image data does"


def _declared_bytes(original: bytes, photo_format: PhotoFormat) -> int:
    """Return the length that the file declares; 0 if its format has none."""
    if photo_format is WEBP:
        return int.from_bytes(original[4:8], "little") + 8
    if photo_format in (AVIF, HEIC):
        return _end_of_boxes(original)
    if photo_format is TIFF:
        return _end_of_pieces(parse_exif(original).first)
    return 0


def _end_of_pieces(directory: Mapping[int, Entry]) -> int:
    """Return where the last strip or tile of a TIFF ends."""
    ends = [0]
    for offsets, lengths in _PIECES:
        if offsets in directory and lengths in directory:
            pairs = zip(directory[offsets].numbers, directory[lengths].numbers, strict=False)
            ends += [offset + length for offset, length in pairs]
    return max(ends)


def _end_of_boxes(original: bytes) -> int:
    """Return the end of the last top-level box, by its declared length."""
    at = 0
    while at + _BOX_HEADER_BYTES <= len(original):
        length = int.from_bytes(original[at : at + 4], "big")
        if length == 1:
            length = int.from_bytes(original[at + 8 : at + 16], "big")
        if length < _BOX_HEADER_BYTES:
            return 0
        at += length
    return at


def _rows_decoded(image: ImageFile.ImageFile) -> int:
    """Return the last row that is not black: the last decoded row of almost any photo."""
    try:
        box = image.im.getbbox()
    except (AttributeError, ValueError, OSError):
        return 0
    return box[3] if box else 0


def _percent(part: int, whole: int) -> str:
    return f"{min(99, 100 * part // whole)} %"
