"""What a photo says of itself, as far as we keep it: how it is turned, when, by what and by whom.

Nothing else is read, and nothing of where: the GPS directory is never opened. All of it comes from
whoever made the file, so text is cut, freed of what cannot be printed, and trusted by nobody.
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
# The interoperability index by which cameras say Adobe RGB where they attach no profile.
_ADOBE_RGB_INDEX = "R03"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What is kept. Orientation is EXIF's, 1 to 8; `captured` is ISO 8601, local where unsaid."""

    orientation: int = 1
    captured: str | None = None
    camera: str | None = None
    artist: str | None = None
    copyright: str | None = None
    is_adobe_rgb: bool = False
    is_readable: bool = True


def read_metadata(image: ImageFile.ImageFile) -> Metadata:
    """What the loaded photo says of itself; defaults where it says nothing or nonsense."""
    try:
        return _from_exif(image.getexif(), _read_iptc(image))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  a parser of a stranger's bytes may raise anything at all
        return Metadata(is_readable=False)


def parse_orientation(value: object) -> int:
    """EXIF's orientation, and 1 for anything that is none."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def parse_capture_time(time: object, offset: object) -> str | None:
    """EXIF's two texts as ISO 8601.

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
    """Text as metadata has it, as bytes or not, cleaned and cut; None where nothing is left."""
    if isinstance(value, str):
        # Pillow reads EXIF's text as Latin-1, and those who write it mostly mean UTF-8.
        value = value.encode("latin-1", "replace")
    if not isinstance(value, bytes):
        return None
    bytes_max = 8 * length_max
    start = value[:bytes_max].split(b"\0")[0]
    try:
        # The last letter may be cut in two by the limit, but not otherwise.
        is_complete = len(start) < bytes_max
        text = codecs.getincrementaldecoder("utf-8")().decode(start, final=is_complete)
    except UnicodeDecodeError:
        text = start.decode("latin-1")
    return printable(text, length_max=length_max) or None


def render_credit(metadata: Metadata) -> bytes:
    """EXIF with the artist and the copyright and nothing else; no bytes where there are neither."""
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
    """Maker and model as one, without the maker's name twice, which most models begin with."""
    made_by, called = parse_text(make), parse_text(model)
    if made_by is None or called is None:
        return called or made_by
    if called.lower().startswith(made_by.split()[0].lower()):
        return called
    return f"{made_by} {called}"[:TEXT_LENGTH_MAX].rstrip()


def _first_text(*values: object) -> str | None:
    texts = (parse_text(value, length_max=CREDIT_LENGTH_MAX) for value in values)
    return next((text for text in texts if text is not None), None)


def _read_iptc(image: ImageFile.ImageFile) -> Mapping[tuple[int, int], object]:
    """The IPTC records of a JPEG or TIFF, of a repeated one the first; none if broken."""
    try:
        records = IptcImagePlugin.getiptcinfo(image) or {}
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  a parser of a stranger's bytes may raise anything at all
        return {}
    return {key: value[0] if isinstance(value, list) else value for key, value in records.items()}
