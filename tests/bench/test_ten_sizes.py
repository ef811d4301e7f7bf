"""The baseline of the sizes benchmark."""

import io

from PIL import Image

from bench.ten_sizes import RECIPE, naive_pass
from imageworker.make_sizes import make_sizes


def test_both_make_the_same_ten_sizes():
    """The naive pass and Glassplate make sizes of the same dimensions."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((2400, 1800)).convert("RGB").save(file, "JPEG")
    naive = [Image.open(io.BytesIO(data)).size for data in naive_pass(file.getvalue())]
    measured = make_sizes(file.getvalue(), recipe=RECIPE).variants
    assert len(measured) == 10
    assert [(variant.width, variant.height) for variant in measured] == naive
