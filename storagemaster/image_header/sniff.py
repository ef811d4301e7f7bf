"""What an upload's first bytes say it is: its format and its dimensions, with nothing decoded.

The write path answers from these alone, so this is pure, never raises, does a bounded amount of
work, and asks for at most `HEAD_BYTES_MAX` bytes. Whether the pixels behind the header are sound
is the image worker's question.

Dimensions are as stored. A rotation the container itself prescribes (AVIF and HEIC) is part of
that; an EXIF orientation is only advice, and is not applied here. The sizes a photo gets are the
same either way, because the size table looks at the longer and the shorter edge.
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

# A text format may open with a long comment or declaration before the word that gives it away.
_REFUSAL_BYTES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Sniffed:
    """A photo of a format we accept. Width and height are in pixels, as stored, and above zero."""

    ext: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class NeedMore:
    """Nothing can be said yet: ask again with this many bytes, or with all there are."""

    at_least_bytes: int


@dataclass(frozen=True, slots=True)
class NotAPhoto:
    """The upload is refused; the reason is words for a person, without a capital or a period."""

    reason: str


def sniff(
    head: bytes, *, complete: bool = False, head_bytes_max: int = HEAD_BYTES_MAX
) -> Sniffed | NeedMore | NotAPhoto:
    """What a photo that begins with these bytes is.

    The answer does not depend on how the bytes arrived: bytes beyond `head_bytes_max` are not
    looked at, and what is said of a head is never taken back for a longer one.

    Args:
        head: The upload from its first byte on.
        complete: Whether these are all the bytes; the answer is then never `NeedMore`.
        head_bytes_max: Where to give up. With so many bytes the answer is never `NeedMore`.
    """
    head = head[:head_bytes_max]
    try:
        ext, width, height = _read(head, head_bytes_max=head_bytes_max, complete=complete)
    except HeadTooShort as short:
        return _more_or_never(short.at_least_bytes, head_bytes_max, complete=complete)
    except UnusableHeader as unusable:
        return NotAPhoto(unusable.reason)
    if width == 0 or height == 0:
        return NotAPhoto(f"the {ext} header says {width} x {height} pixels, which is no picture")
    return Sniffed(ext=ext, width=width, height=height)


def _read(head: bytes, *, head_bytes_max: int, complete: bool) -> tuple[str, int, int]:
    """The format and dimensions, or the exception that says why not."""
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
            "saving the photo anew, with less metadata before its pixels, helps"
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
