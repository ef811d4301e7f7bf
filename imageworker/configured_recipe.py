"""The recipe that a cluster's config asks for: the default one, with what the config changes.

Its version is the default's where the bytes are, and has a digest of the changes where they are
not, so that `glassplate regenerate --recipe` finds what was made before the config was changed.
"""

import dataclasses
import hashlib

from imageworker.recipe import DEFAULT_RECIPE, AnimationSetting, AvifSetting, Recipe, WebpSetting
from volumes.cluster import Cluster

_DIGEST_CHARACTERS = 8


def recipe_of(cluster: Cluster) -> Recipe:
    """The recipe by which this cluster's workers make sizes."""
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
        changes = hashlib.sha256(repr(recipe).encode()).hexdigest()[:_DIGEST_CHARACTERS]
        version = f"{version}-{changes}"
    limits = dataclasses.replace(
        recipe.limits,
        bytes_max=cluster.limits.upload_bytes_max,
        pixels_max=cluster.limits.pixels_max,
    )
    return dataclasses.replace(recipe, version=version, limits=limits)
