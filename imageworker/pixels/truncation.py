"""How much of a truncated photo is there, so that the person who sent it can be told."""

from PIL import ImageFile

from imageworker.pixels.formats import AVIF, HEIC, JPEG, PNG, TIFF, WEBP, PhotoFormat

_BOX_HEADER_BYTES = 8


def declares_more(original: bytes, photo_format: PhotoFormat) -> bool:
    """Whether the file itself says that it is longer than what there is of it."""
    return _declared_bytes(original, photo_format) > len(original)


def truncation_reason(
    original: bytes, photo_format: PhotoFormat, image: ImageFile.ImageFile | None
) -> str:
    """Words for a file that ends too early, with how far it got wherever that can be told."""
    if declares_more(original, photo_format):
        share = _percent(len(original), _declared_bytes(original, photo_format))
        return f"the file ends after {share} of what it announces"
    if image is not None and photo_format in (JPEG, PNG, TIFF) and not image.info.get("interlace"):
        rows = _rows_decoded(image)
        if 0 < rows < image.height:
            return f"the file ends after about {_percent(rows, image.height)} of its image data"
    return "the file ends before its image data does"


def _declared_bytes(original: bytes, photo_format: PhotoFormat) -> int:
    """How long the file says it is: 0 where its format does not say."""
    if photo_format is WEBP:
        return int.from_bytes(original[4:8], "little") + 8
    if photo_format in (AVIF, HEIC):
        return _end_of_boxes(original)
    return 0


def _end_of_boxes(original: bytes) -> int:
    """Where the last of the boxes that follow each other ends, by its own length."""
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
    """The last row that is not black, which is the last decoded one of almost any photo."""
    try:
        box = image.im.getbbox()
    except (AttributeError, ValueError, OSError):
        return 0
    return box[3] if box else 0


def _percent(part: int, whole: int) -> str:
    return f"{min(99, 100 * part // whole)} %"
