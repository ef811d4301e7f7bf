"""Validation of recipes, and the version of the default recipe."""

import dataclasses
from collections.abc import Iterator

import pytest

from imageworker.recipe import (
    DEFAULT_RECIPE,
    AnimationSetting,
    AvifSetting,
    InvalidRecipe,
    JpegSetting,
    Limits,
    Recipe,
    WebpSetting,
)
from volumes.sizes import DEFAULT_SIZES, Size

JPEG = JpegSetting(edge_pixels_max=4096, quality=90, subsampling="4:2:0")


def test_the_default_recipe_has_the_default_sizes_and_only_jpeg() -> None:
    """By default every size is a JPEG."""
    assert DEFAULT_RECIPE.sizes == DEFAULT_SIZES
    assert (DEFAULT_RECIPE.webp, DEFAULT_RECIPE.avif, DEFAULT_RECIPE.animation) == (None,) * 3


def test_a_change_to_the_default_recipe_needs_a_new_version() -> None:
    """The digest below belongs to version 3: change both, or neither."""
    assert (DEFAULT_RECIPE.version, DEFAULT_RECIPE.digest()[:16]) == ("3", "902f60e4cca41888")


FULL = dataclasses.replace(
    DEFAULT_RECIPE, webp=WebpSetting(), avif=AvifSetting(), animation=AnimationSetting()
)


def _changes_of(setting: object) -> Iterator[object]:
    """Yield a setting with one field changed at a time, for every field."""
    for field in dataclasses.fields(setting):
        value = getattr(setting, field.name)
        other = {str: "4:2:2", bool: not value, int: 1}[type(value)]
        assert other != value
        yield dataclasses.replace(setting, **{field.name: other})


def test_every_setting_is_part_of_the_digest() -> None:
    """A forgotten field would keep the version although the bytes change."""
    formats = ("webp", "avif", "animation")
    changed = [
        dataclasses.replace(FULL, **{name: other})
        for name in formats
        for other in (None, *_changes_of(getattr(FULL, name)))
    ]
    last = DEFAULT_RECIPE.jpeg[-1]
    changed += [
        dataclasses.replace(FULL, jpeg=(*FULL.jpeg[:-1], other))
        for other in _changes_of(last)
        if other.edge_pixels_max == last.edge_pixels_max
    ]
    changed.append(dataclasses.replace(FULL, jpeg=FULL.jpeg[1:]))
    changed.append(dataclasses.replace(FULL, keep_credit=False))
    changed += [
        dataclasses.replace(FULL, sizes=(size,))
        for size in (Size("m", 240), Size("m", 241), Size("n", 240), Size("m", 240, square=True))
    ]
    digests = {recipe.digest() for recipe in (FULL, *changed)}
    assert len(digests) == 1 + len(changed)


def test_version_and_limits_are_no_part_of_the_digest() -> None:
    """Neither decides the bytes."""
    other = dataclasses.replace(FULL, version="x", limits=Limits(bytes_max=7))
    assert other.digest() == FULL.digest()


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": ""},
        {"version": "x" * 33},
        {"version": "1\n"},
        {"sizes": ()},
        {"sizes": (Size("m", 240), Size("m", 500))},
        {"sizes": (Size("o", 240),)},
        {"sizes": (Size("M", 240),)},
        {"sizes": (Size("mm", 240),)},
        {"sizes": (Size("m", 0),)},
        {"sizes": (Size("m", 20_000),)},
        {"jpeg": ()},
        {"jpeg": (JPEG, JPEG)},
        {"jpeg": (dataclasses.replace(JPEG, edge_pixels_max=100),)},
    ],
)
def test_an_inconsistent_recipe_is_rejected(wrong: dict[str, object]) -> None:
    """An inconsistent recipe raises InvalidRecipe."""
    with pytest.raises(InvalidRecipe):
        Recipe(**{"version": "1", "jpeg": (JPEG,)} | wrong)


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        (JpegSetting, {"edge_pixels_max": 1, "quality": 0, "subsampling": "4:2:0"}),
        (JpegSetting, {"edge_pixels_max": 1, "quality": 101, "subsampling": "4:2:0"}),
        (JpegSetting, {"edge_pixels_max": 1, "quality": 90, "subsampling": "4:1:1"}),
        (WebpSetting, {"quality": 0}),
        (WebpSetting, {"effort": 7}),
        (AvifSetting, {"quality": 101}),
        (AvifSetting, {"speed": 11}),
        (AvifSetting, {"edge_pixels_max": 0}),
        (AnimationSetting, {"quality": 0}),
        (AnimationSetting, {"effort": -1}),
        (AnimationSetting, {"pixels_max": 0}),
        (Limits, {"bytes_max": 0}),
        (Limits, {"open_files_max": -1}),
        (Limits, {"elapsed_seconds_max": 0}),
    ],
)
def test_a_setting_out_of_range_is_rejected(setting: type, wrong: dict[str, object]) -> None:
    """Every number is checked against its range."""
    with pytest.raises(InvalidRecipe):
        setting(**wrong)


def test_a_size_takes_the_first_jpeg_setting_that_covers_it() -> None:
    """Settings are ordered by edge, and a size at an edge uses the smaller one."""
    small, large = dataclasses.replace(JPEG, edge_pixels_max=500), JPEG
    recipe = Recipe(version="1", sizes=(Size("z", 640),), jpeg=(small, large))
    assert recipe.jpeg_for(500) is small
    assert recipe.jpeg_for(640) is large


def test_avif_is_made_of_small_sizes_where_it_is_made_at_all() -> None:
    """The second pass skips sizes above its edge limit."""
    recipe = dataclasses.replace(DEFAULT_RECIPE, avif=AvifSetting(edge_pixels_max=320))
    assert recipe.has_avif(Size("n", 320))
    assert not recipe.has_avif(Size("w", 400))
    assert not DEFAULT_RECIPE.has_avif(Size("n", 320))
