"""What the bench of the whole chain uploads: one picture, in bytes that never come twice."""

import io

from PIL import Image

from bench.photo_chain import distinct
from storagemaster.image_header.sniff import sniff
from tests.glassplate.live_cluster import jpeg


def test_photos_that_differ_in_bytes_show_the_same_picture():
    """Otherwise one run would not compare with the next, or a node might have the photo already."""
    one, other = (distinct(jpeg(), number) for number in (1, 2))
    assert one != other
    assert sniff(one) == sniff(other)
    assert Image.open(io.BytesIO(one)).tobytes() == Image.open(io.BytesIO(other)).tobytes()
