"""Photos for the write path: JPEG by their header, as long as asked, and never the same twice."""

import pytest

from bench.photo_bytes import EDGE_PIXELS, render_photo
from storagemaster.image_header.sniff import Sniffed, sniff


@pytest.mark.parametrize("size_bytes", [700, 3_000, 200_000])
def test_photo_is_a_jpeg_of_its_size(size_bytes):
    """The storagemaster sees a JPEG of twelve megapixels in it."""
    photo = render_photo(7, size_bytes)
    found = sniff(photo, complete=True, head_bytes_max=len(photo))
    assert isinstance(found, Sniffed)
    assert (found.ext, found.width, found.height) == ("jpg", *EDGE_PIXELS)
    assert len(photo) == size_bytes


def test_photos_differ_by_number_only():
    """A number is a photo: the same one for ever, and not that of another number."""
    assert render_photo(1, 3_000) == render_photo(1, 3_000)
    assert len({render_photo(number, 3_000) for number in range(50)}) == 50


def test_photo_without_room_for_its_header_is_refused():
    """A few bytes hold no JPEG."""
    with pytest.raises(ValueError, match="as small as"):
        render_photo(1, 10)
