"""Parsing of references."""

import pytest

from glassplate import BadReference, PhotoVersion
from glassplate.urls.references import parse_reference, parse_version_reference

TEXT = "42/01jd3x8m2c9qp4k7/3fz8qd"


def test_reference_of_a_version_is_its_text():
    """A parsed VOLUME/PHOTO/VERSION has the same text."""
    photo_version = parse_version_reference(TEXT)
    assert photo_version == PhotoVersion(42, "01jd3x8m2c9qp4k7", "3fz8qd")
    assert str(photo_version) == str(parse_reference(TEXT)) == TEXT
    assert parse_version_reference(photo_version) is photo_version
    assert str(parse_reference(photo_version)) == TEXT


def test_reference_of_a_photo_has_no_version():
    """VOLUME/PHOTO names all versions, and is rejected where one is required."""
    reference = parse_reference("42/01jd3x8m2c9qp4k7")
    assert reference.version is None
    assert str(reference) == "42/01jd3x8m2c9qp4k7"
    with pytest.raises(BadReference, match="lacks the version"):
        parse_version_reference("42/01jd3x8m2c9qp4k7")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "0/01jd3x8m2c9qp4k7",
        "65536/01jd3x8m2c9qp4k7",
        "42/short",
        "42//3fz8qd",
        "42/01JD3X8M2C9QP4K7/3fz8qd",
        f"{TEXT}/m",
        f"/{TEXT}",
        "42/01jd3x8m2c9qp4k7/../x",
    ],
)
def test_other_texts_are_rejected(text):
    """The message names the required form."""
    with pytest.raises(BadReference, match="VOLUME/PHOTO/VERSION"):
        parse_reference(text)
