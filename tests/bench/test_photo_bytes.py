"""Photos for the write path: a JPEG header, the requested length, and unique bytes."""

import pytest

from bench.photo_bytes import EDGE_PIXELS, render_photo
from storagemaster.image_header.sniff import Sniffed, sniff


@pytest.mark.parametrize("size_bytes", [700, 3_000, 200_000])
def test_photo_is_a_jpeg_of_its_size(size_bytes):
    """The storagemaster detects a JPEG of twelve megapixels."""
    photo = render_photo(7, size_bytes)
    found = sniff(photo)
    assert isinstance(found, Sniffed)
    assert (found.ext, found.width, found.height) == ("jpg", *EDGE_PIXELS)
    assert len(photo) == size_bytes


def test_photos_differ_by_number_only():
    """The same number gives the same bytes, and different numbers give different bytes."""
    assert render_photo(1, 3_000) == render_photo(1, 3_000)
    assert len({render_photo(number, 3_000) for number in range(50)}) == 50


def test_size_below_the_header_is_rejected():
    """A size that is too small for a JPEG raises ValueError."""
    with pytest.raises(ValueError, match="too small"):
        render_photo(1, 10)
