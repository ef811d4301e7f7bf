"""Profiles made by formula: small, the same every time, and what LittleCMS takes them for."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from imageworker.pixels.icc_profile import ADOBE_RGB, DISPLAY_P3, SRGB, RgbSpace, render_profile


def _through(profile: bytes, pixels: Image.Image) -> Image.Image:
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.profileToProfile(
        pixels, opened, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
    )


@pytest.mark.parametrize("space", [SRGB, DISPLAY_P3, ADOBE_RGB])
def test_a_profile_is_small_and_says_its_own_length(space: RgbSpace) -> None:
    """Each fits in half a kibibyte, and its header is true."""
    profile = render_profile(space)
    assert len(profile) <= 512
    assert int.from_bytes(profile[:4], "big") == len(profile)


def test_the_small_srgb_moves_no_colour() -> None:
    """Through our sRGB to LittleCMS's own, every level of every channel stays what it is."""
    levels = np.arange(256, dtype=np.uint8)
    colors = np.stack([levels, levels[::-1], np.roll(levels, 77)], axis=-1)[None]
    pixels = Image.fromarray(colors)
    assert np.array_equal(np.asarray(_through(render_profile(SRGB), pixels)), colors)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (DISPLAY_P3, {(200, 100, 50): (215, 93, 31), (255, 255, 255): (255, 255, 255)}),
        (ADOBE_RGB, {(100, 150, 100): (66, 151, 97), (128, 128, 128): (129, 129, 129)}),
    ],
)
def test_wide_spaces_come_out_as_colour_science_says(
    space: RgbSpace, expected: dict[tuple[int, ...], tuple[int, ...]]
) -> None:
    """The matrices and curves agree with the published spaces, within a level."""
    for color, wanted in expected.items():
        pixels = Image.new("RGB", (1, 1), color)
        found = _through(render_profile(space), pixels).getpixel((0, 0))
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 1, (color, found)


def test_primaries_are_those_of_the_standard() -> None:
    """Adapted to D50, sRGB's primaries are those of IEC 61966-2-1's usual profile."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(render_profile(SRGB))).profile
    assert profile.red_primary[0] == pytest.approx((0.4360, 0.2225, 0.0139), abs=2e-4)
    assert profile.green_primary[0] == pytest.approx((0.3851, 0.7169, 0.0971), abs=2e-4)
    assert profile.blue_primary[0] == pytest.approx((0.1431, 0.0606, 0.7139), abs=2e-4)
