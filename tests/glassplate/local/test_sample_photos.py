"""The sample photos: real files, all different, the same every time."""

import io
from collections.abc import Mapping

import pytest
from PIL import ExifTags, Image, ImageOps

from glassplate.sample_photos import make_sample_photos


@pytest.fixture(name="photos", scope="module")
def _photos() -> Mapping[str, bytes]:
    return dict(make_sample_photos())


def test_there_are_eight_jpegs_of_different_shapes(photos: Mapping[str, bytes]) -> None:
    """Wide, upright and square, each large enough for most sizes."""
    assert len(photos) == 8
    shapes = set()
    for name, data in photos.items():
        picture = Image.open(io.BytesIO(data))
        picture.load()
        assert name.endswith(".jpg")
        assert picture.format == "JPEG"
        assert max(picture.size) >= 1800
        shapes.add((picture.width > picture.height) - (picture.width < picture.height))
        assert len(data) < 4_000_000
    assert shapes == {-1, 0, 1}


def test_one_is_stored_on_its_side_with_a_time_and_a_camera(photos: Mapping[str, bytes]) -> None:
    """So that orientation, capture time and credit can be seen to work."""
    picture = Image.open(io.BytesIO(photos["dunes.jpg"]))
    exif = picture.getexif()
    assert picture.size == (4000, 3000)
    assert ImageOps.exif_transpose(picture).size == (3000, 4000)
    assert exif[ExifTags.Base.Model] == "Glassplate Field Camera No. 1"
    taken = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal]
    assert taken == "2020:02:29 17:42:08"


def test_the_same_photos_are_drawn_every_time(photos: Mapping[str, bytes]) -> None:
    """Chance is seeded, so a second cluster has the same samples, byte for byte."""
    name, data = next(make_sample_photos())
    assert photos[name] == data


def test_no_photo_is_of_one_tone(photos: Mapping[str, bytes]) -> None:
    """Each has light and dark in it, as a picture that came out has."""
    for name, data in photos.items():
        levels = Image.open(io.BytesIO(data)).convert("L").resize((60, 60)).getextrema()
        assert levels[1] - levels[0] > 90, name
