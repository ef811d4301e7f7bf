"""Allow list of the formats that are decoded, and their detection by the first bytes."""

from dataclasses import dataclass

HEAD_BYTES = 64
"""Number of bytes that `format_of` needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoFormat:
    """A supported format: its name, its ext in photo paths, and the name of its Pillow reader."""

    title: str
    ext: str
    pillow_name: str


JPEG = PhotoFormat(title="JPEG", ext="jpg", pillow_name="JPEG")
PNG = PhotoFormat(title="PNG", ext="png", pillow_name="PNG")
GIF = PhotoFormat(title="GIF", ext="gif", pillow_name="GIF")
WEBP = PhotoFormat(title="WebP", ext="webp", pillow_name="WEBP")
AVIF = PhotoFormat(title="AVIF", ext="avif", pillow_name="AVIF")
HEIC = PhotoFormat(title="HEIC", ext="heic", pillow_name="HEIF")
TIFF = PhotoFormat(title="TIFF", ext="tif", pillow_name="TIFF")

FORMATS = (JPEG, PNG, GIF, WEBP, AVIF, HEIC, TIFF)

_PREFIXES = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
)
_AVIF_BRANDS = (b"avif", b"avis")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")


def format_of(head: bytes) -> PhotoFormat | None:
    """Return the format of a file that begins with these bytes; None if it is not supported."""
    for prefix, photo_format in _PREFIXES:
        if head.startswith(prefix):
            return photo_format
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        return _format_of_brands(head)
    return None


def _format_of_brands(head: bytes) -> PhotoFormat | None:
    box_end = min(int.from_bytes(head[:4], "big"), HEAD_BYTES, len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, box_end - 3, 4))]
    for brand in brands:
        if brand in _AVIF_BRANDS:
            return AVIF
        if brand in _HEIC_BRANDS:
            return HEIC
    return None
