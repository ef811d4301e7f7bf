"""The sample photos: JPEGs of different shapes that the package contains."""

import io
from collections.abc import Mapping

import pytest
from PIL import ExifTags, Image, ImageOps

from glassplate.local.samples import read_sample_photos

BYTES_MAX = 300 * 1024


@pytest.fixture(name="photos", scope="module")
def _photos() -> Mapping[str, bytes]:
    return read_sample_photos()


def test_there_are_eight_jpegs_of_different_shapes(photos: Mapping[str, bytes]) -> None:
    """The set has landscape, portrait and square photos, each large enough for most sizes."""
    assert len(photos) == 8
    shapes = set()
    for name, data in photos.items():
        picture = Image.open(io.BytesIO(data))
        picture.load()
        assert picture.format == "JPEG", name
        assert max(picture.size) >= 1800, name
        shapes.add((picture.width > picture.height) - (picture.width < picture.height))
        assert len(data) <= BYTES_MAX, name
    assert shapes == {-1, 0, 1}


def test_one_is_stored_on_its_side_with_a_time_and_a_camera(photos: Mapping[str, bytes]) -> None:
    """One photo shows that orientation, capture time and credit work."""
    picture = Image.open(io.BytesIO(photos["dunes.jpg"]))
    exif = picture.getexif()
    assert picture.size == (2400, 1800)
    assert ImageOps.exif_transpose(picture).size == (1800, 2400)
    assert exif[ExifTags.Base.Model] == "Glassplate Field Camera No. 1"
    taken = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal]
    assert taken == "2020:02:29 17:42:08"
