"""Sample photos, drawn by code: eight pictures to upload when there are none at hand.

Made for this project and dedicated to the public domain (CC0 1.0): use them for anything. The same
Pillow draws the same bytes every time.
"""

import io
import random
from collections.abc import Callable, Iterator, Mapping

from PIL import ExifTags, Image

from glassplate import day_scenes, night_scenes

Scene = Callable[[random.Random], Image.Image]

_SCENES: Mapping[str, Scene] = {
    "ridges": day_scenes.ridges,
    "sea": day_scenes.sea,
    "night": night_scenes.night,
    "aurora": night_scenes.aurora,
    "fields": day_scenes.fields,
    "bokeh": night_scenes.bokeh,
    "paper-forest": night_scenes.paper_forest,
}
_QUALITY = 90


def make_sample_photos() -> Iterator[tuple[str, bytes]]:
    """The photos one by one: a name that is good for a file, and a JPEG."""
    for name, draw in _SCENES.items():
        yield f"{name}.jpg", _jpeg(draw(_rng(name)))
    yield "dunes.jpg", _turned_jpeg(day_scenes.dunes(_rng("dunes")))


def _rng(name: str) -> random.Random:
    return random.Random(name)  # noqa: S311  chance that is the same every time, for pictures


def _jpeg(picture: Image.Image, **settings: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, **settings)
    return buffer.getvalue()


def _turned_jpeg(picture: Image.Image) -> bytes:
    """Stored lying on its side, as a camera held upright does it, with a time and a camera."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Glassplate"
    exif[ExifTags.Base.Model] = "Glassplate Field Camera No. 1"
    exif[ExifTags.Base.Artist] = "Glassplate"
    exif[ExifTags.Base.Copyright] = "CC0 1.0"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = "2020:02:29 17:42:08"
    details[ExifTags.Base.OffsetTimeOriginal] = "+01:00"
    return _jpeg(picture.transpose(Image.Transpose.ROTATE_90), exif=exif.tobytes())
