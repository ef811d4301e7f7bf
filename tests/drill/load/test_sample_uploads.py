"""Photos for a drill: real ones, distinct ones, and ones that nobody can decode."""

import io

import pytest
from PIL import Image

from drill.load.sample_uploads import make_originals, make_undecodable, make_unique


def test_distinct_photos_are_the_same_picture_in_other_bytes():
    """So that a photo under another's name is always found out."""
    for original in make_originals(3):
        one, other = make_unique(original, "one"), make_unique(original, "two")
        assert len({original, one, other}) == 3
        with Image.open(io.BytesIO(one)) as a, Image.open(io.BytesIO(other)) as b:
            assert a.tobytes() == b.tobytes()


def test_the_same_seed_makes_the_same_photos():
    """A drill can be repeated with what it was."""
    assert make_originals(3) == make_originals(3)
    assert make_originals(3) != make_originals(4)


def test_a_poisoned_photo_looks_good_and_cannot_be_decoded():
    """Its header is sound, which is all that an upload looks at."""
    bad = make_undecodable(make_originals(3)[0], "poison")
    with Image.open(io.BytesIO(bad)) as picture:
        assert picture.size == (320, 240)
        with pytest.raises(OSError, match=r"broken|decode|truncated|process"):
            picture.load()
