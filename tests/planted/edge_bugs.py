"""Bugs in what edges are configured with, in ETags, and in what workers make of a photo."""

from imageworker.pixels import encode
from proxy_config import nginx, varnish
from storagenode.read_port import http_semantics
from tests.planted.finders import Tests
from tests.planted.planted_bug import PlantedBug

RENDERED = Tests("tests/proxy_config/test_rendered_configs.py::test_rendered_text_is_golden")


def caches_under_the_permission(patch):
    """Every permission fills the cache anew, and no purge finds it."""
    _render_with(patch, "proxy_cache_key $photo_path;", "proxy_cache_key $request_uri;")


def caches_what_is_not_found(patch):
    """A photo that is mirrored in a second is missing for a day."""
    _render_with(patch, "proxy_cache_valid 404 1s;", "proxy_cache_valid 404 1d;")


def lets_anybody_purge(patch):
    """And so fill the nodes' disks with reads."""
    _render_with(patch, "deny all;", "allow all;")


def _render_with(patch, right, wrong):
    render = nginx.render_template

    def render_wrong(name, values):
        return render(name, values).replace(right, wrong)

    patch.setattr(nginx, "render_template", render_wrong)


def remembers_past_a_change_of_keys(patch):
    """What a retired key has fetched, its URLs go on opening."""
    patch.setattr(varnish, "_fingerprint", lambda _keys, _classes: "0123456789abcdef")


def makes_etags_of_nothing(patch):
    """All photos of one length are the same."""
    patch.setattr(
        http_semantics,
        "etag_of",
        lambda mtime_seconds, size: f'"0-{size:x}"' if mtime_seconds else "",
    )


def saves_what_the_camera_wrote(patch):
    """Where the photo was taken, and with what."""
    save = encode._save

    def save_with_exif(pixels, pillow_name, **settings):
        return save(pixels, pillow_name, **{**settings, "exif": b"Exif\0\0planted GPS"})

    patch.setattr(encode, "_save", save_with_exif)


BUGS_OF_EDGES = (
    PlantedBug(
        what="an edge keys its cache on the permission",
        plant=caches_under_the_permission,
        found_by=RENDERED,
    ),
    PlantedBug(
        what="an edge remembers for a day that a photo was not there",
        plant=caches_what_is_not_found,
        found_by=RENDERED,
    ),
    PlantedBug(
        what="an edge lets anybody purge",
        plant=lets_anybody_purge,
        found_by=RENDERED,
    ),
    PlantedBug(
        what="a Varnish edge believes what it checked with keys that are retired",
        plant=remembers_past_a_change_of_keys,
        found_by=Tests("tests/proxy_config/test_varnish_remembers.py"),
    ),
    PlantedBug(
        what="two photos have the same ETag",
        plant=makes_etags_of_nothing,
        found_by=Tests("tests/storagenode/read_port/test_http_semantics.py"),
    ),
    PlantedBug(
        what="sizes carry what the camera wrote",
        plant=saves_what_the_camera_wrote,
        found_by=Tests("tests/imageworker/pixels/test_good_photos.py"),
    ),
)
