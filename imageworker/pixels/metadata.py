"""Metadata that Glassplate keeps: orientation, capture time, camera, artist, and copyright.

Nothing else is read; the GPS directory is never opened. The metadata is untrusted input, so text
is cut to a length and unprintable characters are removed.
"""

import codecs
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from imageworker.pixels.formats import AVIF, HEIC, TIFF, PhotoFormat
from imageworker.processing_errors import printable
from storagemaster.image_header.exif import Entry, Exif, parse_exif

TEXT_LENGTH_MAX = 100
CREDIT_LENGTH_MAX = 200

_MODEL = ExifTags.Base.Model
_TIME = re.compile(
    r"(\d{4}):(0[1-9]|1[0-2]):(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):([0-5]\d):([0-5]\d)"
)
_OFFSET = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d|Z")
# Cameras fill in these, and photographers who write a notice write more.
_COPYRIGHT_MARK = re.compile(r"\(c\)|\u00a9|copyright|[\W_]", re.IGNORECASE)
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


def read_metadata(
    original: bytes, image: ImageFile.ImageFile, photo_format: PhotoFormat
) -> Metadata:
    """Return what the loaded photo says of itself; defaults for what it does not say.

    Every value is read for itself, so one that is damaged costs no other.
    """
    block = original if photo_format is TIFF else image.info.get("exif")
    exif = parse_exif(block if isinstance(block, bytes) else b"")
    details = exif.directory(ExifTags.IFD.Exif)
    interoperability = exif.directory_at(details.get(ExifTags.IFD.Interop))
    iptc = _read_iptc(image)
    return Metadata(
        orientation=_orientation_of(exif, image, photo_format),
        captured=parse_capture_time(
            _value(details, ExifTags.Base.DateTimeOriginal),
            _value(details, ExifTags.Base.OffsetTimeOriginal),
        ),
        camera=_camera(_value(exif.first, ExifTags.Base.Make), _value(exif.first, _MODEL)),
        artist=_first_text(
            _value(exif.first, ExifTags.Base.Artist),
            iptc.get(_IPTC_BYLINE),
            iptc.get(_IPTC_CREDIT),
        ),
        copyright=_first_notice(
            _value(exif.first, ExifTags.Base.Copyright), iptc.get(_IPTC_COPYRIGHT)
        ),
        is_adobe_rgb=parse_text(_value(interoperability, 1)) == _ADOBE_RGB_INDEX,
        is_readable=not block or bool(exif.first),
    )


def _orientation_of(exif: Exif, image: ImageFile.ImageFile, photo_format: PhotoFormat) -> int:
    """Return how to turn the decoded pixels, by EXIF or, in AVIF, by the container alone."""
    if photo_format is AVIF:
        return int(getattr(image, "orientation", 1))
    # libheif has turned the pixels already.
    return 1 if photo_format is HEIC else exif.orientation


def _value(directory: Mapping[int, Entry], tag: int) -> bytes | None:
    entry = directory.get(tag)
    return None if entry is None else entry.value


def parse_capture_time(time: object, offset: object) -> str | None:
    """Convert EXIF's time and offset to ISO 8601; None if the time is invalid.

    >>> parse_capture_time("2024:05:01 10:20:30", "+02:00")
    '2024-05-01T10:20:30+02:00'
    """
    match = _TIME.fullmatch(parse_text(time) or "")
    if match is None:
        return None
    year, month, day, hour, minute, second = match.groups()
    try:
        dt.date(int(year), int(month), int(day))
    except ValueError:
        return None
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
    """Render EXIF with only artist and copyright; no bytes without a copyright notice.

    Cameras fill in the artist by themselves, with the name of their owner.
    """
    if metadata.copyright is None:
        return b""
    exif = Image.Exif()
    if metadata.artist is not None:
        exif[ExifTags.Base.Artist] = metadata.artist.encode()
    exif[ExifTags.Base.Copyright] = metadata.copyright.encode()
    return exif.tobytes()


def _camera(make: object, model: object) -> str | None:
    """Join maker and model. Most models already begin with the maker's name."""
    maker_name, model_name = parse_text(make), parse_text(model)
    if maker_name is None or model_name is None:
        return model_name or maker_name
    if model_name.lower().startswith(maker_name.split()[0].lower()):
        return model_name
    return f"{maker_name} {model_name}"[:TEXT_LENGTH_MAX].rstrip()


def _first_text(*values: object) -> str | None:
    return next(_texts(values), None)


def _first_notice(*values: object) -> str | None:
    return next((text for text in _texts(values) if _COPYRIGHT_MARK.sub("", text)), None)


def _texts(values: Iterable[object]) -> Iterator[str]:
    texts = (parse_text(value, length_max=CREDIT_LENGTH_MAX) for value in values)
    return (text for text in texts if text is not None)


def _read_iptc(image: ImageFile.ImageFile) -> Mapping[tuple[int, int], object]:
    """Return the IPTC records of a JPEG or TIFF, the first of each kind; empty if invalid."""
    try:
        records = IptcImagePlugin.getiptcinfo(image) or {}
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  a parser of untrusted bytes can raise any exception
        return {}
    return {key: value[0] if isinstance(value, list) else value for key, value in records.items()}
