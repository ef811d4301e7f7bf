"""Optional formats: WebP, AVIF in a second pass, and animations."""

import dataclasses
import io

import pytest
from PIL import Image, ImageSequence

from imageworker.make_sizes import make_second_pass, make_sizes
from imageworker.pixels.encode import encode_jpeg
from imageworker.pixels.icc_profile import SRGB_PROFILE
from imageworker.processing_errors import PhotoTooLarge
from imageworker.recipe import (
    DEFAULT_RECIPE,
    AnimationSetting,
    AvifSetting,
    JpegSetting,
    Limits,
    WebpSetting,
)
from imageworker.sandbox.child import SizesMaker
from tests.imageworker.hostile_zoo import CREDIT, full_of_secrets, many_frames
from tests.imageworker.photo_zoo import ANIMATED, animated, good, moving, picture, save, translucent
from tests.imageworker.similarity import mean_error
from tests.imageworker.variants import data_of, document, shown

WITH_WEBP = dataclasses.replace(DEFAULT_RECIPE, webp=WebpSetting())
WITH_AVIF = dataclasses.replace(DEFAULT_RECIPE, avif=AvifSetting(edge_pixels_max=240))
WITH_ANIMATION = dataclasses.replace(DEFAULT_RECIPE, animation=AnimationSetting())


def test_webp_is_made_of_every_size_if_configured() -> None:
    """WebP variants have the same sizes and pixels as the JPEG ones, and come after them."""
    made = make_sizes(good("PNG").data, recipe=WITH_WEBP)
    assert [(v.letter, v.ext) for v in made.variants] == [
        (letter, ext) for letter in "sqtmnx" for ext in ("jpg", "webp")
    ]
    for letter in "sqtmnx":
        webp = shown(made, letter, "webp")
        assert webp.format == "WEBP"
        assert webp.info["icc_profile"] == SRGB_PROFILE
        assert mean_error(webp, shown(made, letter)) < 6


def test_webp_and_avif_keep_transparency() -> None:
    """WebP and AVIF keep transparency."""
    made = make_sizes(good("PNG with alpha").data, recipe=WITH_WEBP)
    assert shown(made, "m", "webp").getpixel((0, 0))[3] < 20
    avif, *_ = (
        v
        for v in make_second_pass(good("PNG with alpha").data, recipe=WITH_AVIF)
        if v.letter == "m"
    )
    assert Image.open(io.BytesIO(avif.data)).getpixel((0, 0))[3] < 20


def test_the_second_pass_makes_avif_of_the_small_sizes_only(maker: SizesMaker) -> None:
    """The second pass makes AVIF of small sizes only, with the same bytes in a child and here."""
    data = good("JPEG").data
    made = maker.make_second_pass(data, WITH_AVIF)
    assert [(v.letter, v.ext) for v in made] == [(letter, "avif") for letter in "sqtm"]
    assert made == make_second_pass(data, recipe=WITH_AVIF)
    pixels = Image.open(io.BytesIO(made[3].data))
    assert mean_error(pixels, picture().resize(pixels.size, Image.Resampling.LANCZOS)) < 6


def test_the_second_pass_is_empty_without_avif() -> None:
    """A recipe without AVIF has an empty second pass."""
    assert make_second_pass(good("JPEG").data, recipe=DEFAULT_RECIPE) == ()


@pytest.mark.parametrize("pillow_name", ANIMATED)
def test_an_animation_has_its_first_frame_as_stills(pillow_name: str) -> None:
    """By default an animation gives stills, and a note has the number of frames."""
    made = make_sizes(animated(pillow_name), recipe=DEFAULT_RECIPE)
    assert {v.ext for v in made.variants} == {"jpg"}
    assert mean_error(shown(made, "n"), moving()[0].resize((320, 213))) < 3
    assert document(made)["original"]["frames"] == 4
    assert document(made)["notes"] == ["stills show the first of 4 frames"]


@pytest.mark.parametrize("pillow_name", ANIMATED)
def test_an_animation_is_made_as_webp_if_configured(maker: SizesMaker, pillow_name: str) -> None:
    """An animated WebP has every frame, its order, and its duration, at every size."""
    data = animated(pillow_name)
    made = maker.make(data, WITH_ANIMATION)
    assert made == make_sizes(data, recipe=WITH_ANIMATION)
    for letter in "sqtmn":
        animation = Image.open(io.BytesIO(data_of(made, letter, "webp")))
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(animation)]
        assert len(frames) == 4
        assert animation.info["loop"] == 0
        for frame, expected in zip(frames, moving(), strict=True):
            assert mean_error(frame, expected.resize(frame.size)) < 6
        animation.seek(1)
        animation.load()
        assert animation.info["duration"] == 80


@pytest.mark.parametrize("says", [0, 10])
def test_frames_of_no_time_last_as_long_as_in_a_browser(says: int) -> None:
    """A frame with a duration of zero lasts 100 milliseconds."""
    first, *others = moving(3)
    data = save(first, "GIF", save_all=True, append_images=others, duration=says)
    made = make_sizes(data, recipe=WITH_ANIMATION)
    animation = Image.open(io.BytesIO(data_of(made, "n", "webp")))
    for frame in range(3):
        animation.seek(frame)
        animation.load()
        assert animation.info["duration"] == 100


def test_a_still_photo_gets_no_animation() -> None:
    """An animated recipe gives a still photo no animation."""
    made = make_sizes(good("GIF").data, recipe=WITH_ANIMATION)
    assert {v.ext for v in made.variants} == {"jpg"}


def test_a_size_whose_frames_are_too_many_pixels_stays_still() -> None:
    """A size whose frames exceed the pixel limit gets a still instead of an animation."""
    setting = AnimationSetting(pixels_max=4 * 100 * 75)
    recipe = dataclasses.replace(DEFAULT_RECIPE, animation=setting)
    made = make_sizes(animated("GIF"), recipe=recipe)
    assert {v.letter for v in made.variants if v.ext == "webp"} == {"s", "t"}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(frames_max=99), "an animation of more than 99 frames"),
        (Limits(animation_pixels_max=8 * 8 * 99), "100 frames of 8 x 8"),
    ],
)
def test_frames_times_pixels_have_a_limit(limits: Limits, words: str) -> None:
    """An animation over the limit is rejected by its header, with the reason."""
    recipe = dataclasses.replace(DEFAULT_RECIPE, limits=limits)
    with pytest.raises(PhotoTooLarge, match=words):
        make_sizes(many_frames(100), recipe=recipe)


def test_credit_is_kept_or_removed_in_every_format() -> None:
    """`keep_credit` decides for every format."""
    data = full_of_secrets("JPEG")
    keeping = dataclasses.replace(WITH_WEBP, avif=WITH_AVIF.avif)
    leaving = dataclasses.replace(keeping, keep_credit=False)
    for recipe, is_kept in ((keeping, True), (leaving, False)):
        variants = (
            *make_sizes(data, recipe=recipe).variants,
            *make_second_pass(data, recipe=recipe),
        )
        assert {v.ext for v in variants} == {"jpg", "webp", "avif"}
        for variant in variants:
            assert (CREDIT[0].encode() in variant.data) is is_kept


def test_a_progressive_setting_makes_progressive_jpegs() -> None:
    """The setting reaches the encoder."""
    pixels = translucent()
    plain = JpegSetting(edge_pixels_max=1000, quality=90, subsampling="4:2:0")
    for is_progressive in (True, False):
        setting = dataclasses.replace(plain, progressive=is_progressive)
        coded = Image.open(io.BytesIO(encode_jpeg(pixels, setting, credit=b"")))
        assert bool(coded.info.get("progressive")) is is_progressive


def test_the_credit_of_an_animation_has_no_jpeg_prefix() -> None:
    """The EXIF of an animated WebP has no JPEG prefix."""
    exif = Image.Exif()
    exif[0x8298] = b"(c) Jane Doe"
    first, *rest = moving()
    data = save(first, "WEBP", save_all=True, append_images=rest, exif=exif.tobytes()[6:])
    made = make_sizes(data, recipe=WITH_ANIMATION)
    webp = data_of(made, "m", "webp")
    assert b"(c) Jane Doe" in webp
    assert b"Exif\0\0" not in webp
