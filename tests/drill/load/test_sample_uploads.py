"""Photos for a drill."""

import io

import pytest
from PIL import Image

from drill.load.sample_uploads import make_originals, make_undecodable, make_unique


def test_unique_photos_have_the_same_pixels_and_other_bytes():
    """Unique bytes reveal a photo that is served under the path of another one."""
    for original in make_originals(3):
        one, other = make_unique(original, "one"), make_unique(original, "two")
        assert len({original, one, other}) == 3
        with Image.open(io.BytesIO(one)) as a, Image.open(io.BytesIO(other)) as b:
            assert a.tobytes() == b.tobytes()


def test_the_same_seed_makes_the_same_photos():
    """Photos depend on the seed alone."""
    assert make_originals(3) == make_originals(3)
    assert make_originals(3) != make_originals(4)


def test_an_undecodable_photo_has_a_valid_header():
    """The header parses, as uploads require, and the pixels cannot be decoded."""
    bad = make_undecodable(make_originals(3)[0], "undecodable")
    with Image.open(io.BytesIO(bad)) as picture:
        assert picture.size == (320, 240)
        with pytest.raises(OSError, match=r"broken|decode|truncated|process"):
            picture.load()
