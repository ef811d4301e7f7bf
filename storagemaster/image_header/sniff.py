"""Format and dimensions of an upload from its first bytes, without decoding.

The write path depends only on these bytes. `sniff` is therefore pure, never raises, does a bounded
amount of work, and needs at most `HEAD_BYTES_MAX` bytes. The image worker checks the pixels.

Dimensions are as stored. They include a rotation that the container prescribes (AVIF and HEIC), but
not an EXIF orientation. A photo gets the same sizes either way, because the size table uses only
the longer and the shorter edge.
"""

from collections.abc import Callable
from dataclasses import dataclass

from storagemaster.image_header.head import Head, HeadTooShort, UnusableHeader
from storagemaster.image_header.isobmff import is_isobmff, read_isobmff
from storagemaster.image_header.raster import (
    gif_dimensions,
    jpeg_dimensions,
    png_dimensions,
    webp_dimensions,
)
from storagemaster.image_header.refused import refusal_reason
from storagemaster.image_header.tiff import tiff_dimensions

HEAD_BYTES_MAX = 256 * 1024
"""Room for EXIF with a thumbnail (64 KiB), a display profile and XMP before a JPEG's frame."""

# A text format can start with a long comment or declaration before the word that identifies it.
_REFUSAL_BYTES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Sniffed:
    """A photo of an accepted format. Width and height are in pixels, as stored, and above zero."""

    ext: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class NeedMore:
    """The head is too short: call `sniff` again with this many bytes, or with all bytes."""

    at_least_bytes: int


@dataclass(frozen=True, slots=True)
class NotAPhoto:
    """Refusal of an upload; the reason is for a person, without a capital or a period."""

    reason: str


def sniff(
    head: bytes, *, complete: bool = False, head_bytes_max: int = HEAD_BYTES_MAX
) -> Sniffed | NeedMore | NotAPhoto:
    """Return the format and dimensions of a photo that begins with these bytes.

    The result does not depend on how the bytes arrived. Bytes beyond `head_bytes_max` are ignored,
    and a longer head never changes a result other than `NeedMore`.

    Args:
        head: The upload from its first byte.
        complete: True if these are all bytes of the upload; then the result is never `NeedMore`.
        head_bytes_max: The maximal head. With this many bytes the result is never `NeedMore`.
    """
    head = head[:head_bytes_max]
    try:
        ext, width, height = _read(head, head_bytes_max=head_bytes_max, complete=complete)
    except HeadTooShort as short:
        return _more_or_never(short.at_least_bytes, head_bytes_max, complete=complete)
    except UnusableHeader as unusable:
        return NotAPhoto(unusable.reason)
    if width == 0 or height == 0:
        return NotAPhoto(f"the {ext} header says {width} x {height} pixels, which is not a picture")
    return Sniffed(ext=ext, width=width, height=height)


def _read(head: bytes, *, head_bytes_max: int, complete: bool) -> tuple[str, int, int]:
    """Return the format and dimensions.

    Raises:
        HeadTooShort: More bytes are needed.
        UnusableHeader: The upload is refused.
    """
    for ext, prefix, dimensions in _BY_PREFIX:
        if head.startswith(prefix):
            return ext, *dimensions(Head(head))
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp", *webp_dimensions(Head(head))
    if is_isobmff(head):
        return read_isobmff(Head(head))
    telling_bytes = min(_REFUSAL_BYTES, head_bytes_max)
    if not complete and len(head) < telling_bytes:
        raise HeadTooShort(telling_bytes)
    raise UnusableHeader(refusal_reason(head[:_REFUSAL_BYTES]))


def _more_or_never(
    wanted_bytes: int, head_bytes_max: int, *, complete: bool
) -> NeedMore | NotAPhoto:
    if wanted_bytes > head_bytes_max:
        return NotAPhoto(
            f"the dimensions are not within the first {head_bytes_max:,} bytes; "
            "save the photo again with less metadata before its pixels"
        )
    if complete:
        return NotAPhoto("the file ends inside its header")
    return NeedMore(wanted_bytes)


_BY_PREFIX: tuple[tuple[str, bytes, Callable[[Head], tuple[int, int]]], ...] = (
    ("jpg", b"\xff\xd8\xff", jpeg_dimensions),
    ("png", b"\x89PNG\r\n\x1a\n", png_dimensions),
    ("gif", b"GIF87a", gif_dimensions),
    ("gif", b"GIF89a", gif_dimensions),
    ("tif", b"II*\0", tiff_dimensions),
    ("tif", b"MM\0*", tiff_dimensions),
)
