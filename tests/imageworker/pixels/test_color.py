"""Conversion of colors to sRGB."""

import io
from collections.abc import Mapping

import numpy as np
import pytest
from PIL import Image, ImageCms

from imageworker.pixels.color import to_srgb
from imageworker.pixels.icc_profile import ADOBE_RGB_PROFILE, DISPLAY_P3_PROFILE, SRGB_PROFILE
from tests.imageworker.cmyk_profile import cmyk_profile
from tests.imageworker.photo_zoo import picture, translucent
from tests.imageworker.similarity import mean_error

BY_HAND: Mapping[str, tuple[bytes, str]] = {
    "Display P3": (DISPLAY_P3_PROFILE, "RGB"),
    "Adobe RGB": (ADOBE_RGB_PROFILE, "RGB"),
    "inks": (cmyk_profile(), "CMYK"),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_profile_is_followed_as_littlecms_follows_it(name: str) -> None:
    """The conversion is equal to LittleCMS's own, with black point compensation."""
    profile, mode = BY_HAND[name]
    pixels = picture().convert(mode)
    expected = ImageCms.profileToProfile(
        pixels,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    converted = to_srgb(pixels, profile)
    assert converted.note is None
    assert mean_error(converted.pixels, expected) < 0.5
    assert mean_error(converted.pixels, pixels.convert("RGB")) > 3


def test_an_ink_looks_as_its_profile_says() -> None:
    """Full cyan of the test profile becomes the blue that the profile defines."""
    converted = to_srgb(Image.new("CMYK", (1, 1), (255, 0, 0, 0)), cmyk_profile())
    red, green, blue = converted.pixels.getpixel((0, 0))
    assert red < 40
    assert 140 < green < 175
    assert blue > 200


def test_pixels_in_srgb_are_left_alone() -> None:
    """A profile that is equal to sRGB changes no pixel."""
    ours, theirs = (
        SRGB_PROFILE,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    )
    pixels = picture().copy()
    assert to_srgb(pixels, ours).pixels is pixels
    assert to_srgb(pixels, theirs).pixels is pixels


def test_transparency_survives_a_conversion() -> None:
    """A conversion changes colors but not alpha."""
    converted = to_srgb(translucent(), DISPLAY_P3_PROFILE).pixels
    assert converted.mode == "RGBA"
    assert np.array_equal(
        np.asarray(converted.getchannel("A")), np.asarray(translucent().getchannel("A"))
    )
    assert mean_error(converted.convert("RGB"), translucent().convert("RGB")) > 1


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", b"noise" * 100),
        ("RGB", SRGB_PROFILE[:200]),
        ("RGB", cmyk_profile()),
        ("CMYK", DISPLAY_P3_PROFILE),
        ("L", DISPLAY_P3_PROFILE),
        ("LA", DISPLAY_P3_PROFILE),
        ("RGBA", cmyk_profile()),
    ],
)
def test_an_unusable_profile_is_ignored_with_a_note(mode: str, profile: bytes) -> None:
    """A corrupt or mismatched profile is ignored, and a note reports it."""
    pixels = picture().convert(mode)
    converted = to_srgb(pixels, profile)
    assert converted.note == "color profile ignored: it cannot be used"
    assert converted.pixels.mode == ("RGBA" if "A" in mode else "RGB")
    assert mean_error(converted.pixels.convert("RGB"), pixels.convert("RGB")) == 0


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_without_a_profile_pixels_are_srgb_already(mode: str) -> None:
    """Pixels without a profile are taken as sRGB, without a note."""
    converted = to_srgb(picture().convert(mode), None)
    assert converted.note is None
    assert mean_error(converted.pixels.convert("RGB"), picture().convert(mode).convert("RGB")) == 0


def test_inks_without_a_profile_get_a_note() -> None:
    """CMYK without a profile is converted as plain ink, and a note reports it."""
    assert "plain ink" in (to_srgb(picture().convert("CMYK"), None).note or "")
