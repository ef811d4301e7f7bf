"""Bugs in the configuration of edges, and in sizes."""

from imageworker.pixels import encode
from proxy_config import varnish
from tests.planted.finders import Tests
from tests.planted.planted_bug import PlantedBug


def caches_verified_urls_past_a_change_of_keys(patch):
    """Keep the fingerprint of the keys constant, so that URLs of a retired key stay valid."""
    patch.setattr(varnish, "_fingerprint", lambda _keys, _classes: "0123456789abcdef")


def keeps_exif(patch):
    """Save sizes with EXIF data."""
    save = encode._save

    def save_with_exif(pixels, pillow_name, **settings):
        return save(pixels, pillow_name, **{**settings, "exif": b"Exif\0\0planted GPS"})

    patch.setattr(encode, "_save", save_with_exif)


BUGS_OF_EDGES = (
    PlantedBug(
        what="a Varnish edge serves cached URLs of a retired key",
        plant=caches_verified_urls_past_a_change_of_keys,
        found_by=Tests("tests/proxy_config/test_varnish_remembers.py"),
    ),
    PlantedBug(
        what="sizes contain EXIF data",
        plant=keeps_exif,
        found_by=Tests("tests/imageworker/pixels/test_good_photos.py"),
    ),
)
