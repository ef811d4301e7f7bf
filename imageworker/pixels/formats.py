"""Allow list of the formats that are decoded, and their detection by the first bytes."""

from dataclasses import dataclass

from storagemaster.image_header.sniff import HeaderReader


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoFormat:
    """A format on the list: its name, and its ext in photo paths."""

    title: str
    ext: str


JPEG = PhotoFormat(title="JPEG", ext="jpg")
PNG = PhotoFormat(title="PNG", ext="png")
GIF = PhotoFormat(title="GIF", ext="gif")
WEBP = PhotoFormat(title="WebP", ext="webp")
AVIF = PhotoFormat(title="AVIF", ext="avif")
HEIC = PhotoFormat(title="HEIC", ext="heic")
TIFF = PhotoFormat(title="TIFF", ext="tif")

FORMATS = (JPEG, PNG, GIF, WEBP, AVIF, HEIC, TIFF)

_BY_EXT = {each.ext: each for each in FORMATS}


def format_of(data: bytes) -> PhotoFormat | None:
    """Return the format of a file, or None if it is not on the list.

    The storagemaster accepts uploads by the same reader.
    """
    header = HeaderReader()
    header.feed(data)
    header.finish()
    return _BY_EXT.get(header.ext or "")
