"""Detection of formats by their first bytes."""

import pytest

from imageworker.pixels.formats import FORMATS, format_of
from tests.imageworker.hostile_zoo import refused
from tests.imageworker.photo_zoo import GOOD, good
from volumes.photo_path import EXTENSIONS


@pytest.mark.parametrize("name", GOOD)
def test_every_good_photo_is_known_by_its_head(name: str) -> None:
    """The head alone names the ext that the photo path will have."""
    found = format_of(good(name).data)
    assert found is not None
    assert found.ext == good(name).ext


@pytest.mark.parametrize("name", refused())
def test_what_is_not_on_the_list_has_no_format(name: str) -> None:
    """Other formats, drawings, archives, and nonsense are not accepted."""
    assert format_of(refused()[name]) is None


@pytest.mark.parametrize(
    ("brands", "ext"),
    [
        (b"heic\0\0\0\0mif1heic", "heic"),
        (b"mif1\0\0\0\0mif1heic", "heic"),
        (b"mif1\0\0\0\0mif1avif", "avif"),
        (b"avis\0\0\0\0avifmif1", "avif"),
        (b"mif1\0\0\0\0mif1miaf", None),
        (b"isom\0\0\0\0isommp42", None),
    ],
)
def test_a_box_file_is_known_by_its_brands(brands: bytes, ext: str | None) -> None:
    """The major brand takes precedence over the compatible brands."""
    head = (len(brands) + 8).to_bytes(4, "big") + b"ftyp" + brands
    found = format_of(head)
    assert (found.ext if found else None) == ext


def test_brands_behind_the_first_box_do_not_count() -> None:
    """Bytes after the first box do not affect the detection."""
    assert format_of(b"\0\0\0\x10ftypisom\0\0\0\0heicheicheic") is None


def test_every_format_has_an_ext_that_photo_paths_know() -> None:
    """The supported formats and the exts of photo paths are the same."""
    assert {each.ext for each in FORMATS} == set(EXTENSIONS)
