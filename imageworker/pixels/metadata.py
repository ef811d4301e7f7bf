"""Metadata that Glassplate keeps: orientation, capture time, camera, artist, and copyright.

Nothing else is read; the GPS directory is never opened. The metadata is untrusted input, so text
is cut to a length and unprintable characters are removed.
"""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from imageworker.processing_errors import printable

TEXT_LENGTH_MAX = 100
CREDIT_LENGTH_MAX = 200

_TIME = re.compile(
    r"(\d{4}):(0[1-9]|1[0-2]):(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):([0-5]\d):([0-5]\d)"
)
_OFFSET = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d|Z")
_IPTC_BYLINE = (2, 80)
_IPTC_CREDIT = (2, 110)
_IPTC_COPYRIGHT = (2, 116)
# The interoperability index with which cameras declare Adobe RGB without a profile.
_ADOBE_RGB_INDEX = "R03"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Metadata of a photo. Orientation is EXIF's, 1 to 8; `captured` is ISO 8601, maybe no zone."""

    orientation: int = 1
    captured: str | None = None
    camera: str | None = None
    artist: str | None = None
    copyright: str | None = None
    is_adobe_rgb: bool = False
    is_readable: bool = True


def read_metadata(image: ImageFile.ImageFile) -> Metadata:
    """Read the metadata of a loaded photo; a missing or invalid field gets its default."""
    try:
        return _from_exif(image.getexif(), _read_iptc(image))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  a parser of untrusted bytes can raise any exception
        return Metadata(is_readable=False)


def parse_orientation(value: object) -> int:
    """Return a valid EXIF orientation; 1 for any other value."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def parse_capture_time(time: object, offset: object) -> str | None:
    """Convert EXIF's time and offset to ISO 8601; None if the time is invalid.

    >>> parse_capture_time("2024:05:01 10:20:30", "+02:00")
    '2024-05-01T10:20:30+02:00'
    """
    match = _TIME.fullmatch(parse_text(time) or "")
    if match is None:
        return None
    year, month, day, hour, minute, second = match.groups()
    zone = parse_text(offset) or ""
    written = f"{year}-{month}-{day}T{hour}:{minute}:{second}"
    return written + zone if _OFFSET.fullmatch(zone) else written


def parse_text(value: object, *, length_max: int = TEXT_LENGTH_MAX) -> str | None:
    """Decode, clean, and cut a metadata text; None if nothing is left."""
    if isinstance(value, str):
        # Pillow decodes EXIF text as Latin-1, but most writers use UTF-8.
        value = value.encode("latin-1", "replace")
    if not isinstance(value, bytes):
        return None
    bytes_max = 8 * length_max
    start = value[:bytes_max].split(b"\0")[0]
    try:
        # An incomplete last character is an error, unless the limit cut it.
        is_complete = len(start) < bytes_max
        text = codecs.getincrementaldecoder("utf-8")().decode(start, final=is_complete)
    except UnicodeDecodeError:
        text = start.decode("latin-1")
    return printable(text, length_max=length_max) or None


def render_credit(metadata: Metadata) -> bytes:
    """Render EXIF with only artist and copyright; no bytes if the photo has neither."""
    exif = Image.Exif()
    if metadata.artist is not None:
        exif[ExifTags.Base.Artist] = metadata.artist.encode()
    if metadata.copyright is not None:
        exif[ExifTags.Base.Copyright] = metadata.copyright.encode()
    return exif.tobytes() if len(exif) else b""


def _from_exif(exif: Image.Exif, iptc: Mapping[tuple[int, int], object]) -> Metadata:
    details = exif.get_ifd(ExifTags.IFD.Exif)
    interoperability = exif.get_ifd(ExifTags.IFD.Interop)
    return Metadata(
        orientation=parse_orientation(exif.get(ExifTags.Base.Orientation)),
        captured=parse_capture_time(
            details.get(ExifTags.Base.DateTimeOriginal),
            details.get(ExifTags.Base.OffsetTimeOriginal),
        ),
        camera=_camera(exif.get(ExifTags.Base.Make), exif.get(ExifTags.Base.Model)),
        artist=_first_text(
            exif.get(ExifTags.Base.Artist), iptc.get(_IPTC_BYLINE), iptc.get(_IPTC_CREDIT)
        ),
        copyright=_first_text(exif.get(ExifTags.Base.Copyright), iptc.get(_IPTC_COPYRIGHT)),
        is_adobe_rgb=parse_text(interoperability.get(1)) == _ADOBE_RGB_INDEX,
    )


def _camera(make: object, model: object) -> str | None:
    """Join maker and model. Most models already begin with the maker's name."""
    maker_name, model_name = parse_text(make), parse_text(model)
    if maker_name is None or model_name is None:
        return model_name or maker_name
    if model_name.lower().startswith(maker_name.split()[0].lower()):
        return model_name
    return f"{maker_name} {model_name}"[:TEXT_LENGTH_MAX].rstrip()


def _first_text(*values: object) -> str | None:
    texts = (parse_text(value, length_max=CREDIT_LENGTH_MAX) for value in values)
    return next((text for text in texts if text is not None), None)


def _read_iptc(image: ImageFile.ImageFile) -> Mapping[tuple[int, int], object]:
    """Return the IPTC records of a JPEG or TIFF, the first of each kind; empty if invalid."""
    try:
        records = IptcImagePlugin.getiptcinfo(image) or {}
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  a parser of untrusted bytes can raise any exception
        return {}
    return {key: value[0] if isinstance(value, list) else value for key, value in records.items()}
