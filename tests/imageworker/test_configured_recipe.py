"""What `cluster.toml` says of images becomes a recipe, and another config another version."""

import dataclasses

import pytest

from imageworker.configured_recipe import recipe_of
from imageworker.recipe import DEFAULT_RECIPE, AnimationSetting, AvifSetting, WebpSetting
from volumes.cluster import Cluster, Limits
from volumes.sizes import Size
from volumes.variant_formats import VariantFormats

CLUSTER = Cluster(
    name="",
    public_url="",
    keys_file="",
    queue_url="",
    nodes={},
    volumes={},
    masters={},
    edges={},
)


def _with(**formats: object) -> Cluster:
    return dataclasses.replace(CLUSTER, variant_formats=VariantFormats(**formats))


def test_a_config_that_says_nothing_is_the_default_recipe() -> None:
    """To the version, so that nothing is made again for it."""
    assert recipe_of(CLUSTER) == DEFAULT_RECIPE


def test_a_config_that_says_all_is_followed() -> None:
    """Every key has its place in the recipe."""
    recipe = recipe_of(
        _with(
            webp=True,
            webp_quality=70,
            avif=True,
            avif_quality=50,
            avif_edge_pixels_max=320,
            animation=True,
            animation_quality=60,
            keep_credit=False,
        )
    )
    assert recipe.webp == WebpSetting(quality=70)
    assert recipe.avif == AvifSetting(quality=50, edge_pixels_max=320)
    assert recipe.animation == AnimationSetting(quality=60)
    assert not recipe.keep_credit


def test_a_quality_of_what_is_not_made_changes_nothing() -> None:
    """The version too stays as it is."""
    assert recipe_of(_with(webp_quality=1, avif_quality=1, animation_quality=1)) == DEFAULT_RECIPE


@pytest.mark.parametrize(
    "changed",
    [
        _with(webp=True),
        _with(webp=True, webp_quality=70),
        _with(avif=True),
        _with(animation=True),
        _with(keep_credit=False),
        dataclasses.replace(CLUSTER, sizes=(Size("m", 240),)),
    ],
)
def test_whatever_changes_the_bytes_changes_the_version(changed: Cluster) -> None:
    """So that a rebuild finds what is to be made again; the same config is the same version."""
    version = recipe_of(changed).version
    assert version.startswith("1-")
    assert version != recipe_of(_with(webp=True, animation=True)).version
    assert version == recipe_of(changed).version


def test_limits_of_uploads_are_limits_of_decoding_and_no_new_version() -> None:
    """What a storagemaster takes, a worker does not refuse."""
    limits = Limits(upload_bytes_max=7, pixels_max=8)
    recipe = recipe_of(dataclasses.replace(CLUSTER, limits=limits))
    assert (recipe.limits.bytes_max, recipe.limits.pixels_max) == (7, 8)
    assert recipe.version == "1"
