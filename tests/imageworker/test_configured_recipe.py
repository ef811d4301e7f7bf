"""Recipe of a cluster config, and its version."""

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


def test_an_empty_config_is_the_default_recipe() -> None:
    """A config without `[images]` gives the default recipe and version."""
    assert recipe_of(CLUSTER) == DEFAULT_RECIPE


def test_every_key_of_the_config_is_used() -> None:
    """Every key of `[images]` sets a field of the recipe."""
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


def test_the_quality_of_an_unused_format_changes_nothing() -> None:
    """The quality of an unused format changes neither the recipe nor its version."""
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
def test_a_change_of_the_bytes_changes_the_version(changed: Cluster) -> None:
    """The version changes with the bytes, and is the same for the same config."""
    version = recipe_of(changed).version
    assert version.startswith("3-")
    assert version != recipe_of(_with(webp=True, animation=True)).version
    assert version == recipe_of(changed).version


def test_the_version_of_a_config_is_the_same_in_every_release() -> None:
    """Another digest would regenerate all photos of every cluster with such a config."""
    assert recipe_of(_with(webp=True, avif=True, keep_credit=False)).version == "3-f0cc6046"


def test_limits_of_uploads_are_limits_of_decoding_and_no_new_version() -> None:
    """The limits of uploads are also the limits of decoding, and do not change the version."""
    limits = Limits(upload_bytes_max=7, pixels_max=8)
    recipe = recipe_of(dataclasses.replace(CLUSTER, limits=limits))
    assert (recipe.limits.bytes_max, recipe.limits.pixels_max) == (7, 8)
    assert recipe.version == "3"
