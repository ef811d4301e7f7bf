"""The naive pass and ours make the same sizes of the same photo."""

import io

from PIL import Image

from bench.ten_sizes import RECIPE, naive_pass
from imageworker.make_sizes import make_sizes


def test_both_make_the_same_ten_sizes():
    """What is compared has the same dimensions, size by size."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((2400, 1800)).convert("RGB").save(file, "JPEG")
    naive = [Image.open(io.BytesIO(data)).size for data in naive_pass(file.getvalue())]
    ours = make_sizes(file.getvalue(), recipe=RECIPE).variants
    assert len(ours) == 10
    assert [(variant.width, variant.height) for variant in ours] == naive
