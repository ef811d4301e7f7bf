"""The info document: canonical, escaped, and complete."""

import dataclasses
import hashlib
import json

from imageworker.info import OriginalInfo, PhotoInfo, VariantInfo, render_info
from imageworker.libraries import library_versions
from imageworker.make_sizes import make_sizes
from imageworker.pixels.placeholder import Placeholder
from imageworker.recipe import DEFAULT_RECIPE, AvifSetting
from tests.imageworker.hostile_zoo import full_of_secrets
from tests.imageworker.photo_zoo import good
from tests.imageworker.variants import data_of, document

INFO = PhotoInfo(
    original=OriginalInfo(
        ext="jpg",
        width=4,
        height=3,
        stored_width=3,
        stored_height=4,
        frames=1,
        bytes=9,
        sha256="ab",
    ),
    variants=(VariantInfo(size="t", ext="jpg", width=2, height=1, bytes=5, sha256="cd"),),
    second_pass=(VariantInfo(size="t", ext="avif", width=2, height=1, bytes=None, sha256=None),),
    placeholder=Placeholder(color="#010203", blurhash="L0<>", thumbhash="AA=="),
    captured=None,
    camera="A & B </script>",
    artist="Jané",
    copyright=None,
    notes=("one",),
    recipe="1",
    libraries={"pillow": "13", "a": "1"},
)


def test_the_document_is_canonical_byte_for_byte() -> None:
    """Keys are sorted, without spaces, in ASCII, and markup characters are escaped."""
    assert render_info(INFO) == (
        b'{"camera":"A \\u0026 B \\u003c/script\\u003e","captured":null,'
        b'"credit":{"artist":"Jan\\u00e9","copyright":null},'
        b'"libraries":{"a":"1","pillow":"13"},"notes":["one"],'
        b'"original":{"bytes":9,"ext":"jpg","frames":1,"height":3,"sha256":"ab",'
        b'"stored_height":4,"stored_width":3,"width":4},'
        b'"placeholder":{"blurhash":"L0\\u003c\\u003e","color":"#010203","thumbhash":"AA=="},'
        b'"recipe":"1","second_pass":[{"ext":"avif","height":1,"size":"t","width":2}],'
        b'"variants":[{"bytes":5,"ext":"jpg","height":1,"sha256":"cd","size":"t","width":2}]}'
    )


def test_escapes_are_undone_by_any_reader_of_json() -> None:
    """A JSON parser restores the escaped text."""
    assert json.loads(render_info(INFO))["camera"] == INFO.camera


def test_every_variant_is_described_by_its_own_bytes() -> None:
    """Digest, length, and dimensions are the ones of the variant's file."""
    made = make_sizes(good("JPEG").data, recipe=DEFAULT_RECIPE)
    described = document(made)["variants"]
    assert [(each["size"], each["ext"]) for each in described] == [
        (v.letter, v.ext) for v in made.variants
    ]
    for each in described:
        data = data_of(made, each["size"], each["ext"])
        assert each["bytes"] == len(data)
        assert each["sha256"] == hashlib.sha256(data).hexdigest()


def test_the_document_lists_the_second_pass() -> None:
    """The document lists the variants of the second pass, because it is written only once."""
    recipe = dataclasses.replace(DEFAULT_RECIPE, avif=AvifSetting(edge_pixels_max=240))
    made = make_sizes(good("JPEG").data, recipe=recipe)
    assert document(made)["second_pass"] == [
        {"ext": "avif", "height": 75, "size": "s", "width": 75},
        {"ext": "avif", "height": 150, "size": "q", "width": 150},
        {"ext": "avif", "height": 67, "size": "t", "width": 100},
        {"ext": "avif", "height": 160, "size": "m", "width": 240},
    ]


def test_the_document_has_no_place_and_names_recipe_and_libraries() -> None:
    """The document has time, camera, recipe, and libraries, but no location."""
    made = make_sizes(full_of_secrets("JPEG"), recipe=DEFAULT_RECIPE)
    info = document(made)
    assert b"GPS" not in made.info
    assert b"52" not in json.dumps([info["camera"], info["captured"], info["notes"]]).encode()
    assert info["recipe"] == DEFAULT_RECIPE.version
    assert {"pillow", "libjpeg_turbo", "littlecms2", "libwebp", "libheif"} <= set(info["libraries"])
    assert info["libraries"] == dict(library_versions())
