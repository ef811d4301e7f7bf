"""Resampling by Pillow and by SIMD gives the same image."""

import cykooz_resizer
import pytest
from PIL import Image

from imageworker.pixels import resampling
from imageworker.pixels.resampling import Box, resample
from tests.imageworker.photo_zoo import picture, translucent
from tests.imageworker.similarity import mean_error

WHOLE: Box = (0, 0, 360, 240)
ODD: Box = (10.5, 3.25, 310.5, 203.25)


def _pixels(mode: str) -> Image.Image:
    return (translucent() if "A" in mode else picture()).convert(mode)


@pytest.mark.parametrize("box", [WHOLE, ODD], ids=["whole", "a box with fractions"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "L", "LA"])
def test_simd_shows_what_pillow_shows(monkeypatch: pytest.MonkeyPatch, mode: str, box: Box) -> None:
    """Both libraries agree in every mode, also with transparency."""
    made = {}
    for is_used in (True, False):
        monkeypatch.setattr(resampling, "IS_SIMD_USED", is_used)
        made[is_used] = resample(_pixels(mode), box, width=150, height=100)
    assert (made[True].mode, made[True].size) == (mode, (150, 100))
    assert mean_error(made[True], made[False]) < 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "L"])
def test_every_processor_makes_the_same_bytes(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """All processors give the same bytes, so that workers and retries agree."""
    extensions = cykooz_resizer.CpuExtensions
    made = set()
    for extension in (extensions.none, extensions.sse4_1, extensions.avx2):
        resizer = cykooz_resizer.Resizer()
        resizer.cpu_extensions = extension
        monkeypatch.setattr(cykooz_resizer, "Resizer", lambda resizer=resizer: resizer)
        made.add(resample(_pixels(mode), ODD, width=150, height=100).tobytes())
    assert len(made) == 1


def test_a_large_photo_is_bicubic_out_of_pillow_and_a_small_one_is_lanczos(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pillow uses the faster bicubic filter for the first step of a large photo only."""
    monkeypatch.setattr(resampling, "IS_SIMD_USED", False)
    small = resample(picture(), WHOLE, width=180, height=120)
    assert small == picture().resize((180, 120), Image.Resampling.LANCZOS)
    monkeypatch.setattr(resampling, "BICUBIC_ABOVE_PIXELS", 360 * 240 - 1)
    large = resample(picture(), WHOLE, width=180, height=120)
    assert large == picture().resize((180, 120), Image.Resampling.BICUBIC)
