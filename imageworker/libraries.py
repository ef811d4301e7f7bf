"""Versions of the image libraries. They decide the bytes of a variant, beside the recipe."""

import functools
from collections.abc import Mapping
from importlib.metadata import version as version_of
from types import MappingProxyType

import PIL
from PIL import features

from imageworker.pixels.readers.open_photo import IS_HEIC_READ
from imageworker.pixels.resampling import IS_SIMD_USED

_FEATURES = {
    "libjpeg_turbo": "libjpeg_turbo",
    "littlecms2": "littlecms2",
    "libwebp": "webp",
    "libavif": "avif",
    "libtiff": "libtiff",
    "zlib_ng": "zlib_ng",
    "zlib": "zlib",
}


@functools.cache
def library_versions() -> Mapping[str, str]:
    """Return the version of every installed image library, by its name."""
    versions = {"pillow": PIL.__version__}
    for name, feature in _FEATURES.items():
        version = features.version(feature)
        if version is not None:
            versions[name] = version
    if IS_HEIC_READ:
        import pillow_heif

        versions["pillow_heif"] = pillow_heif.__version__
        versions["libheif"] = pillow_heif.libheif_version()
    if IS_SIMD_USED:
        versions["cykooz_resizer"] = version_of("cykooz-resizer")
    return MappingProxyType(versions)
