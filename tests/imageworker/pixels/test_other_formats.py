"""What the configuration adds to JPEG: WebP, AVIF in a second pass, animations."""

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


def test_webp_stands_beside_every_jpeg_where_it_is_asked_for() -> None:
    """Same sizes, same pixels, its own ext; jpg comes first."""
    made = make_sizes(good("PNG").data, recipe=WITH_WEBP)
    assert [(v.letter, v.ext) for v in made.variants] == [
        (letter, ext) for letter in "sqtmn" for ext in ("jpg", "webp")
    ]
    for letter in "sqtmn":
        webp = shown(made, letter, "webp")
        assert webp.format == "WEBP"
        assert webp.info["icc_profile"] == SRGB_PROFILE
        assert mean_error(webp, shown(made, letter)) < 6


def test_webp_and_avif_keep_what_shines_through() -> None:
    """Only JPEG needs paper."""
    made = make_sizes(good("PNG with alpha").data, recipe=WITH_WEBP)
    assert shown(made, "m", "webp").getpixel((0, 0))[3] < 20
    avif, *_ = (
        v
        for v in make_second_pass(good("PNG with alpha").data, recipe=WITH_AVIF)
        if v.letter == "m"
    )
    assert Image.open(io.BytesIO(avif.data)).getpixel((0, 0))[3] < 20


def test_the_second_pass_makes_avif_of_the_small_sizes_only(maker: SizesMaker) -> None:
    """Through a child as in this process, and the same bytes every time."""
    data = good("JPEG").data
    made = maker.make_second_pass(data, WITH_AVIF)
    assert [(v.letter, v.ext) for v in made] == [(letter, "avif") for letter in "sqtm"]
    assert made == make_second_pass(data, recipe=WITH_AVIF)
    pixels = Image.open(io.BytesIO(made[3].data))
    assert mean_error(pixels, picture().resize(pixels.size, Image.Resampling.LANCZOS)) < 6


def test_the_second_pass_is_empty_where_it_is_not_asked_for() -> None:
    """No AVIF in the recipe, nothing to do."""
    assert make_second_pass(good("JPEG").data, recipe=DEFAULT_RECIPE) == ()


@pytest.mark.parametrize("pillow_name", ANIMATED)
def test_an_animation_has_its_first_frame_as_stills(pillow_name: str) -> None:
    """By default nothing moves, and a note says how many frames there were."""
    made = make_sizes(animated(pillow_name), recipe=DEFAULT_RECIPE)
    assert {v.ext for v in made.variants} == {"jpg"}
    assert mean_error(shown(made, "n"), moving()[0].resize((320, 213))) < 3
    assert document(made)["original"]["frames"] == 4
    assert document(made)["notes"] == ["stills show the first of 4 frames"]


@pytest.mark.parametrize("pillow_name", ANIMATED)
def test_an_animation_is_kept_as_webp_where_it_is_asked_for(
    maker: SizesMaker, pillow_name: str
) -> None:
    """Every frame, in order, for as long as it was shown, at every size."""
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
    """A tenth of a second each, not none: a GIF that says zero would keep a processor busy."""
    first, *others = moving(3)
    data = save(first, "GIF", save_all=True, append_images=others, duration=says)
    made = make_sizes(data, recipe=WITH_ANIMATION)
    animation = Image.open(io.BytesIO(data_of(made, "n", "webp")))
    for frame in range(3):
        animation.seek(frame)
        animation.load()
        assert animation.info["duration"] == 100


def test_a_still_photo_is_no_animation_under_an_animated_recipe() -> None:
    """Only what moves gets a WebP that moves."""
    made = make_sizes(good("GIF").data, recipe=WITH_ANIMATION)
    assert {v.ext for v in made.variants} == {"jpg"}


def test_a_size_whose_frames_are_too_many_pixels_stays_still() -> None:
    """All frames of a size are in memory at once, so their pixels have a limit of their own."""
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
    """An animation that is too much is refused by its header, with words."""
    recipe = dataclasses.replace(DEFAULT_RECIPE, limits=limits)
    with pytest.raises(PhotoTooLarge, match=words):
        make_sizes(many_frames(100), recipe=recipe)


def test_credit_goes_along_in_every_format_and_stays_out_where_it_should() -> None:
    """The policy is one switch of the recipe."""
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
    """Settings reach the encoder."""
    pixels = translucent()
    plain = JpegSetting(edge_pixels_max=1000, quality=90, subsampling="4:2:0")
    for is_progressive in (True, False):
        setting = dataclasses.replace(plain, progressive=is_progressive)
        coded = Image.open(io.BytesIO(encode_jpeg(pixels, setting, credit=b"")))
        assert bool(coded.info.get("progressive")) is is_progressive


def test_an_animation_with_credit_has_it_as_webp_wants_it() -> None:
    """Without JPEG's mark in front, which some readers stumble over."""
    exif = Image.Exif()
    exif[0x8298] = b"(c) Somebody"
    first, *rest = moving()
    data = save(first, "WEBP", save_all=True, append_images=rest, exif=exif.tobytes()[6:])
    made = make_sizes(data, recipe=WITH_ANIMATION)
    webp = data_of(made, "m", "webp")
    assert b"(c) Somebody" in webp
    assert b"Exif\0\0" not in webp
