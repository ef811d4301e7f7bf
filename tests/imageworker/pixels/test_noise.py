"""Photos of noise, which no encoder can compress."""

import io
import random

from PIL import Image, ImageFile

from imageworker.make_sizes import make_sizes
from imageworker.recipe import DEFAULT_RECIPE
from volumes.sizes import sizes_of


def test_noise_gets_every_size(monkeypatch):
    """A size whose file is larger than its pixels is still encoded."""
    width, height = 1400, 900
    noise = random.Random(5).randbytes(width * height * 3)
    out = io.BytesIO()
    monkeypatch.setattr(ImageFile, "MAXBLOCK", width * height * 4)
    Image.frombytes("RGB", (width, height), noise).save(out, "JPEG", quality=80)
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 64 * 1024)
    made = make_sizes(out.getvalue(), recipe=DEFAULT_RECIPE)
    wanted = sizes_of(DEFAULT_RECIPE.sizes, width=width, height=height)
    assert [variant.letter for variant in made.variants] == [size.letter for size in wanted]
