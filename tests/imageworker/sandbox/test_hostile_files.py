"""Bad files of every kind end as a reason a person understands, and hurt nobody on the way."""

import contextlib
import dataclasses

import numpy as np
import pytest

from imageworker.make_sizes import make_sizes
from imageworker.processing_errors import (
    BrokenPhoto,
    PhotoTooLarge,
    TransientFailure,
    TruncatedPhoto,
    UnknownFormat,
    UnprocessablePhoto,
)
from imageworker.recipe import DEFAULT_RECIPE
from imageworker.sandbox.child import SizesMaker
from tests.imageworker import hostile_zoo, png_writer
from tests.imageworker.photo_zoo import GOOD, good, picture
from tests.imageworker.similarity import mean_error
from tests.imageworker.variants import document, shown
from volumes.sizes import Size

# None of these files may take a child further than a small photo does.
MEMORY_BYTES_MOST = 200 * 1024 * 1024
CUTS = 100
CUT_FORMATS = ("JPEG", "progressive JPEG", "PNG", "interlaced PNG", "WebP", "AVIF", "HEIC", "TIFF")


def _undoable(maker: SizesMaker, data: bytes) -> UnprocessablePhoto:
    with pytest.raises(UnprocessablePhoto) as caught:
        maker.make(data, DEFAULT_RECIPE)
    assert maker.last_exit is not None
    assert maker.last_exit.memory_bytes_peak < MEMORY_BYTES_MOST
    assert caught.value.reason
    assert not isinstance(caught.value, TransientFailure)
    return caught.value


@pytest.mark.parametrize("name", hostile_zoo.refused())
def test_what_is_no_photo_is_refused_by_its_magic(maker: SizesMaker, name: str) -> None:
    """Other formats, whatever they are called, never reach a decoder."""
    assert isinstance(_undoable(maker, hostile_zoo.refused()[name]), UnknownFormat)


@pytest.mark.parametrize("name", hostile_zoo.too_large())
def test_a_bomb_is_refused_by_its_header(maker: SizesMaker, name: str) -> None:
    """Pixels and frames are counted before one is decoded, and the reason has the numbers."""
    error = _undoable(maker, hostile_zoo.too_large()[name])
    assert isinstance(error, PhotoTooLarge)
    assert any(character.isdigit() for character in error.reason)


@pytest.mark.parametrize("name", hostile_zoo.small_and_costly())
def test_what_is_small_and_costly_stays_within_the_limits(maker: SizesMaker, name: str) -> None:
    """Whether it ends ready or in words, and the maker is there for the next one."""
    with contextlib.suppress(BrokenPhoto):
        maker.make(hostile_zoo.small_and_costly()[name], DEFAULT_RECIPE)
    assert maker.last_exit is not None
    assert maker.last_exit.memory_bytes_peak < 1.5 * MEMORY_BYTES_MOST
    assert maker.last_exit.cpu_seconds < DEFAULT_RECIPE.limits.cpu_seconds_max
    assert maker.make(good("JPEG").data, DEFAULT_RECIPE).variants


@pytest.mark.parametrize("name", hostile_zoo.broken())
def test_what_only_begins_like_a_photo_is_broken(maker: SizesMaker, name: str) -> None:
    """Bombs in text and profile chunks, missing tables, loops: all end as words."""
    error = _undoable(maker, hostile_zoo.broken()[name])
    assert isinstance(error, BrokenPhoto | TruncatedPhoto)


@pytest.mark.parametrize("name", hostile_zoo.odd_metadata())
def test_odd_metadata_does_not_keep_a_photo_from_its_sizes(maker: SizesMaker, name: str) -> None:
    """Pixels that are sound are shown, whatever stands beside them."""
    made = maker.make(hostile_zoo.odd_metadata()[name], DEFAULT_RECIPE)
    assert mean_error(shown(made, "n"), picture().resize((320, 213))) < 8
    camera = document(made)["camera"]
    assert camera is None or (len(camera) <= 100 and camera.isprintable())
    assert b"<" not in made.info


def test_a_pixel_of_no_colour_in_the_palette_is_black_and_no_end_of_a_child(
    maker: SizesMaker,
) -> None:
    """Of 256 columns two have a colour; memory beside the palette is shown to nobody."""
    columns = np.tile(np.arange(256, dtype=np.uint8), (256, 1)).reshape(256, 256, 1)
    colors = png_writer.chunk(b"PLTE", bytes([255, 0, 0, 0, 0, 255]))
    data = png_writer.write_png(columns, color=png_writer.PALETTE, extra=colors)
    made = maker.make(data, DEFAULT_RECIPE)
    pixels = np.asarray(shown(made, "m"))
    assert pixels.shape == (240, 240, 3)
    assert pixels[:, 8:].max() < 16


@pytest.mark.parametrize(("said", "true"), [(52, 52), (40, 40), (8244, 64)])
def test_a_heic_that_lies_about_its_width_is_made_as_it_is(said: int, true: int) -> None:
    """Its decoder tells the truth only when it is done, and the sizes are planned from that."""
    recipe = dataclasses.replace(DEFAULT_RECIPE, sizes=(Size("t", 30),))
    made = make_sizes(hostile_zoo.lying_heic(said), recipe=recipe)
    assert document(made)["original"]["width"] == true
    assert shown(made, "t").width == 30


@pytest.mark.parametrize("name", CUT_FORMATS)
def test_a_photo_cut_anywhere_is_refused_and_never_filled_up(name: str) -> None:
    """Cut at a hundred places, no photo comes out gray at the bottom as if it were whole."""
    data = good(name).data
    whole = make_sizes(data, recipe=DEFAULT_RECIPE)
    for cut in range(CUTS):
        try:
            made = make_sizes(data[: len(data) * cut // CUTS], recipe=DEFAULT_RECIPE)
        except UnprocessablePhoto:
            continue
        # What was cut off held no pixels.
        assert [v.data for v in made.variants] == [v.data for v in whole.variants]
        assert cut > 0.9 * CUTS


def test_the_reason_says_how_far_a_truncated_photo_got() -> None:
    """Where it can be told, by rows or by the length the file announces."""
    reasons = {}
    for name in ("JPEG", "PNG", "TIFF", "WebP", "AVIF", "HEIC"):
        with pytest.raises(TruncatedPhoto) as caught:
            make_sizes(good(name).data[: len(good(name).data) // 2], recipe=DEFAULT_RECIPE)
        reasons[name] = caught.value.reason
    assert all(" % of " in reason for reason in reasons.values()), reasons
    assert reasons["WebP"] == "the file ends after 50 % of its declared length"


@pytest.mark.parametrize("name", hostile_zoo.polyglots())
def test_what_hides_in_a_photo_does_not_come_through(maker: SizesMaker, name: str) -> None:
    """Variants are made of pixels, and a payload is none."""
    data, payload = hostile_zoo.polyglots()[name]
    made = maker.make(data, DEFAULT_RECIPE)
    assert all(payload not in variant.data for variant in made.variants)
    assert payload not in made.info


@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_no_place_and_no_device_comes_through_and_the_credit_does(pillow_name: str) -> None:
    """GPS, serial numbers, comments and XMP end here; artist and copyright go along."""
    data = hostile_zoo.full_of_secrets(pillow_name)
    made = make_sizes(data, recipe=DEFAULT_RECIPE)
    for secret in hostile_zoo.SECRETS:
        assert secret in data or pillow_name in {"PNG", "TIFF", "HEIF"}
        assert all(secret not in variant.data for variant in made.variants)
        assert secret not in made.info
    for variant in made.variants:
        exif = shown(made, variant.letter).getexif()
        assert set(exif) == {0x013B, 0x8298}
    info = document(made)
    assert (info["camera"], info["captured"]) == ("NIKON D850", "2024-05-01T10:20:30+02:00")
    assert set(info["credit"]) == {"artist", "copyright"}
    # Pillow cannot write a TIFF's text in UTF-8, so the specimen itself has question marks there.
    if pillow_name != "TIFF":
        assert (info["credit"]["artist"], info["credit"]["copyright"]) == hostile_zoo.CREDIT


@pytest.mark.parametrize("name", GOOD)
def test_a_child_makes_what_this_process_makes(maker: SizesMaker, name: str) -> None:
    """With no file to open and hardly a system call to make, every format is still decoded."""
    data = good(name).data
    assert maker.make(data, DEFAULT_RECIPE) == make_sizes(data, recipe=DEFAULT_RECIPE)
