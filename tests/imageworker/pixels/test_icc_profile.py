"""ICC profiles: the constants agree with the formula, and LittleCMS reads them as intended."""

import io
import struct
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image, ImageCms

from imageworker.pixels.icc_profile import ADOBE_RGB_PROFILE, DISPLAY_P3_PROFILE, SRGB_PROFILE

Chromaticity = tuple[float, float]

_HEADER_BYTES = 128
_TAG_ENTRY_BYTES = 12
_D65 = (0.3127, 0.3290)
_D50 = np.array((0.9642, 1.0, 0.8249))
_BRADFORD = np.array(
    ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
)
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@dataclass(frozen=True, slots=True)
class RgbSpace:
    """An RGB space: the chromaticities (x, y) of its primaries, and its curve.

    `curve` is the argument of an ICC parametric curve: (gamma,) for a power, or (g, a, b, c, d) for
    y = (a x + b) ** g from d upwards, and y = c x below.
    """

    name: str
    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    curve: tuple[float, ...]


SRGB = RgbSpace("sRGB", (0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _SRGB_CURVE)
DISPLAY_P3 = RgbSpace("P3", (0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _SRGB_CURVE)
ADOBE_RGB = RgbSpace("A98C", (0.64, 0.33), (0.21, 0.71), (0.15, 0.06), (563 / 256,))


@pytest.mark.parametrize(
    ("profile", "space"),
    [
        (SRGB_PROFILE, SRGB),
        (DISPLAY_P3_PROFILE, DISPLAY_P3),
        (ADOBE_RGB_PROFILE, ADOBE_RGB),
    ],
)
def test_a_profile_follows_from_its_primaries_and_curve(profile: bytes, space: RgbSpace) -> None:
    """The formula gives the constant, byte for byte, and it is small enough for a thumbnail."""
    assert profile == render_profile(space)
    assert len(profile) <= 512


def test_the_small_srgb_moves_no_color() -> None:
    """A conversion to the sRGB of LittleCMS keeps every level of every channel."""
    levels = np.arange(256, dtype=np.uint8)
    colors = np.stack([levels, levels[::-1], np.roll(levels, 77)], axis=-1)[None]
    pixels = Image.fromarray(colors)
    assert np.array_equal(np.asarray(_through(SRGB_PROFILE, pixels)), colors)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (DISPLAY_P3_PROFILE, {(200, 100, 50): (215, 93, 31), (255, 255, 255): (255, 255, 255)}),
        (ADOBE_RGB_PROFILE, {(100, 150, 100): (66, 151, 97), (128, 128, 128): (129, 129, 129)}),
    ],
)
def test_wide_spaces_come_out_as_color_science_says(
    profile: bytes, expected: dict[tuple[int, ...], tuple[int, ...]]
) -> None:
    """The matrices and curves agree with the published spaces, within a level."""
    for color, wanted in expected.items():
        pixels = Image.new("RGB", (1, 1), color)
        found = _through(profile, pixels).getpixel((0, 0))
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 1, (color, found)


def test_primaries_are_those_of_the_standard() -> None:
    """The D50-adapted primaries of sRGB are the ones of the common IEC 61966-2-1 profile."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(SRGB_PROFILE)).profile
    assert profile.red_primary[0] == pytest.approx((0.4360, 0.2225, 0.0139), abs=2e-4)
    assert profile.green_primary[0] == pytest.approx((0.3851, 0.7169, 0.0971), abs=2e-4)
    assert profile.blue_primary[0] == pytest.approx((0.1431, 0.0606, 0.7139), abs=2e-4)


def _through(profile: bytes, pixels: Image.Image) -> Image.Image:
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.profileToProfile(
        pixels, opened, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
    )


def render_profile(space: RgbSpace) -> bytes:
    """Return the ICC profile of a space whose white is D65."""
    white = _xyz_of(_D65)
    # The primaries as columns, scaled so that their sum is the white point.
    primaries = np.array([_xyz_of(each) for each in (space.red, space.green, space.blue)]).T
    to_xyz = primaries * np.linalg.solve(primaries, white)
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adaptation = np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD
    red, green, blue = (adaptation @ to_xyz).T
    kind = 0 if len(space.curve) == 1 else 3
    curve = b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + _fixed(space.curve)
    return _assemble(
        {
            b"desc": _text_tag(space.name),
            b"cprt": _text_tag("CC0"),
            b"wtpt": _xyz_tag(_D50),
            b"chad": b"sf32\0\0\0\0" + _fixed(adaptation.flat),
            b"rXYZ": _xyz_tag(red),
            b"gXYZ": _xyz_tag(green),
            b"bXYZ": _xyz_tag(blue),
            b"rTRC": curve,
            b"gTRC": curve,
            b"bTRC": curve,
        }
    )


def _assemble(tags):
    """Return header, table and tags; tags with the same bytes are stored once."""
    data_at = _HEADER_BYTES + 4 + _TAG_ENTRY_BYTES * len(tags)
    table, data, places = b"", b"", {}
    for signature, content in tags.items():
        if content not in places:
            places[content] = data_at + len(data)
            data += content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", signature, places[content], len(content))
    body = struct.pack(">I", len(tags)) + table + data
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    relative_colorimetric = 1
    header = struct.pack(
        ">I4xI4s4s4s12s4s24xI12s48x",
        _HEADER_BYTES + len(body),
        0x04300000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        date,
        b"acsp",
        relative_colorimetric,
        _fixed(_D50),
    )
    return header + body


def _text_tag(text):
    encoded = text.encode("utf-16-be")
    return (
        b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded
    )


def _xyz_tag(xyz):
    return b"XYZ \0\0\0\0" + _fixed(xyz)


def _fixed(values):
    """Return numbers as s15Fixed16, the fixed-point format of ICC."""
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _xyz_of(chromaticity):
    x, y = chromaticity
    return np.array((x / y, 1.0, (1 - x - y) / y))
