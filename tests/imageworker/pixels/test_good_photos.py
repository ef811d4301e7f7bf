"""Sizes of every kind of photo: pixels, orientation, colors, and notes."""

import hashlib

import pytest
from PIL import Image

from imageworker.made_sizes import MadeSizes
from imageworker.make_sizes import make_sizes
from imageworker.pixels.icc_profile import SRGB_PROFILE
from imageworker.recipe import DEFAULT_RECIPE
from imageworker.sandbox.child import SizesMaker
from tests.imageworker import photo_zoo
from tests.imageworker.photo_zoo import FORMATS_WITH_ORIENTATION, GOOD, ORIENTATIONS, good, picture
from tests.imageworker.similarity import mean_error
from tests.imageworker.variants import data_of, document, shown


def _made(data: bytes) -> MadeSizes:
    return make_sizes(data, recipe=DEFAULT_RECIPE)


def _error(made: MadeSizes, expected: Image.Image, letter: str = "n") -> float:
    found = shown(made, letter)
    return mean_error(found, expected.resize(found.size, Image.Resampling.LANCZOS))


@pytest.mark.parametrize("name", GOOD)
def test_a_good_photo_gets_the_sizes_it_should_look_like(name: str) -> None:
    """Every format, depth, and color model gives the expected image at every size."""
    specimen = good(name)
    made = _made(specimen.data)
    assert [(v.letter, v.ext) for v in made.variants] == [(each, "jpg") for each in "sqtmnx"]
    assert _error(made, specimen.shows) < 2.5
    assert document(made)["original"] == {
        "bytes": len(specimen.data),
        "ext": specimen.ext,
        "frames": 1,
        "height": photo_zoo.HEIGHT,
        "sha256": hashlib.sha256(specimen.data).hexdigest(),
        "stored_height": photo_zoo.HEIGHT,
        "stored_width": photo_zoo.WIDTH,
        "width": photo_zoo.WIDTH,
    }


@pytest.mark.parametrize("pillow_name", FORMATS_WITH_ORIENTATION)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_comes_out_upright(orientation: int, pillow_name: str) -> None:
    """All eight EXIF orientations give the same image, in every format that stores them."""
    made = _made(photo_zoo.turned(orientation, pillow_name))
    original = document(made)["original"]
    assert (original["width"], original["height"]) == (photo_zoo.WIDTH, photo_zoo.HEIGHT)
    for letter in "mnt":
        assert _error(made, picture(), letter) < 4
    middle = picture().crop((60, 0, 300, 240))
    assert _error(made, middle, "q") < 4


@pytest.mark.parametrize("name", ["PNG with alpha", "gray PNG with alpha", "AVIF with alpha"])
def test_transparency_is_white_in_jpeg_and_the_info_says_so(name: str) -> None:
    """JPEG shows transparency as white, and a note reports it."""
    made = _made(good(name).data)
    assert shown(made, "n").getpixel((0, 0)) == pytest.approx((255, 255, 255), abs=3)
    assert "transparency is shown on white in JPEG" in document(made)["notes"]


@pytest.mark.parametrize(
    ("data", "red"),
    [
        (photo_zoo.in_adobe_rgb(), (234, 36, 36)),
        (photo_zoo.in_adobe_rgb_by_index(), (234, 36, 36)),
        (photo_zoo.in_display_p3("JPEG"), (218, 0, 25)),
        (photo_zoo.in_display_p3("PNG"), (218, 0, 25)),
        (photo_zoo.in_display_p3("WEBP"), (218, 0, 25)),
        (photo_zoo.in_display_p3("AVIF"), (218, 0, 25)),
        (photo_zoo.in_display_p3("TIFF"), (218, 0, 25)),
        (photo_zoo.in_display_p3("HEIF"), (218, 0, 25)),
    ],
    ids=["Adobe RGB", "R03", *(f"P3 {f}" for f in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "HEIF"))],
)
def test_wide_colors_are_converted_in_every_format(data: bytes, red: tuple[int, int, int]) -> None:
    """The red (200, 40, 40) of a wide profile is converted to sRGB in every format."""
    assert shown(_made(data), "n").getpixel((30, 30)) == pytest.approx(red, abs=8)


def test_inks_follow_their_profile() -> None:
    """A CMYK photo is converted with its profile."""
    by_profile, by_formula = _made(photo_zoo.in_inks()), _made(good("CMYK JPEG").data)
    assert document(by_profile)["notes"] == []
    assert mean_error(shown(by_profile, "n"), shown(by_formula, "n")) > 20


@pytest.mark.parametrize("name", GOOD)
def test_every_variant_carries_the_small_srgb_profile_and_nothing_else(name: str) -> None:
    """A variant has pixels and the 480-byte profile, but no other metadata."""
    made = _made(good(name).data)
    for variant in made.variants:
        info = shown(made, variant.letter, variant.ext).info
        assert info.pop("icc_profile") == SRGB_PROFILE
        assert set(info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_a_photo_of_a_hundred_megapixels_comes_out_right(maker: SizesMaker) -> None:
    """A photo of a hundred megapixels gets every size within the limits of a child."""
    made = maker.make(photo_zoo.save(picture(12000, 8500), "JPEG", quality=90), DEFAULT_RECIPE)
    assert "".join(v.letter for v in made.variants) == "sqtmnwdzcbhk"
    for letter in "nk":
        width, height = shown(made, letter).size
        assert _error(made, picture(width, height), letter) < 2


def test_a_multi_picture_jpeg_is_its_first_picture() -> None:
    """Only the first image of a multi-picture JPEG is decoded."""
    assert _error(_made(good("multi-picture JPEG").data), picture()) < 3


@pytest.mark.parametrize("name", ["JPEG", "PNG with alpha", "AVIF", "HEIC", "16-bit gray TIFF"])
def test_the_same_photo_makes_the_same_bytes(name: str) -> None:
    """The same input, recipe, and libraries give the same bytes of all variants and the info."""
    assert _made(good(name).data) == _made(good(name).data)


def test_the_full_size_of_a_large_photo_is_made_in_the_second_pass(maker: SizesMaker) -> None:
    """Within the limits of a child, and as the info has declared it."""
    data = photo_zoo.save(picture(12000, 8500), "JPEG", quality=90)
    (full,) = maker.make_second_pass(data, DEFAULT_RECIPE)
    assert (full.letter, full.ext, full.width, full.height) == ("x", "jpg", 6000, 4250)
    found = shown(MadeSizes((full,), b""), "x")
    assert mean_error(found, picture(6000, 4250)) < 2
    assert set(found.info) <= {"icc_profile", "jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_a_photo_smaller_than_every_size_has_the_full_size() -> None:
    """No size enlarges a photo; the full size has its own dimensions."""
    made = _made(photo_zoo.save(picture().resize((70, 40)), "PNG"))
    assert [(v.letter, v.width, v.height) for v in made.variants] == [("x", 70, 40)]
    assert document(made)["second_pass"] == []
    assert document(made)["placeholder"]["blurhash"]


def test_the_info_has_the_dimensions_as_displayed_and_as_stored() -> None:
    """EXIF orientation 6 exchanges width and height."""
    original = document(_made(photo_zoo.turned(6, "JPEG")))["original"]
    stored = (original["stored_width"], original["stored_height"])
    assert stored == (original["height"], original["width"])
    assert original["width"] != original["height"]


def test_the_info_has_the_dimensions_of_the_files() -> None:
    """The info has the dimensions of the variant files."""
    made = _made(photo_zoo.turned(6, "JPEG"))
    for variant in made.variants:
        picture_made = shown(made, variant.letter, variant.ext)
        assert picture_made.size == (variant.width, variant.height)
        assert picture_made.format == "JPEG"
    assert len(data_of(made, "s")) < len(data_of(made, "n"))
