"""Photos of the benchmark of the whole chain: one image in unique bytes."""

import io

from PIL import Image

from bench.photo_chain import make_unique
from storagemaster.image_header.sniff import sniff
from tests.glassplate.live_cluster import jpeg


def test_photos_that_differ_in_bytes_show_the_same_picture():
    """Unique copies of a photo differ in bytes but not in pixels."""
    one, other = (make_unique(jpeg(), number) for number in (1, 2))
    assert one != other
    assert sniff(one) == sniff(other)
    assert Image.open(io.BytesIO(one)).tobytes() == Image.open(io.BytesIO(other)).tobytes()
