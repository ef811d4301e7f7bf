"""Recipe of a cluster: the default recipe with the changes of the config.

Its version is the default's if no change affects the bytes. Otherwise the version ends in a digest
of the recipe, so that `glassplate regenerate --recipe` finds the photos made before a change.
"""

import dataclasses

from imageworker.recipe import DEFAULT_RECIPE, AnimationSetting, AvifSetting, Recipe, WebpSetting
from volumes.cluster import Cluster

_DIGEST_CHARACTERS = 8


def recipe_of(cluster: Cluster) -> Recipe:
    """Return the recipe that this cluster's workers use."""
    wanted = cluster.variant_formats
    recipe = dataclasses.replace(
        DEFAULT_RECIPE,
        sizes=cluster.sizes,
        webp=WebpSetting(quality=wanted.webp_quality) if wanted.webp else None,
        avif=AvifSetting(quality=wanted.avif_quality, edge_pixels_max=wanted.avif_edge_pixels_max)
        if wanted.avif
        else None,
        animation=AnimationSetting(quality=wanted.animation_quality) if wanted.animation else None,
        keep_credit=wanted.keep_credit,
    )
    version = DEFAULT_RECIPE.version
    if recipe != DEFAULT_RECIPE:
        version = f"{version}-{recipe.digest()[:_DIGEST_CHARACTERS]}"
    limits = dataclasses.replace(
        recipe.limits,
        bytes_max=cluster.limits.upload_bytes_max,
        pixels_max=cluster.limits.pixels_max,
    )
    return dataclasses.replace(recipe, version=version, limits=limits)
