"""Hostile files of every kind end in a reason, without harm."""

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

# No file can need more memory than a small photo.
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
def test_other_formats_are_rejected_by_their_magic(maker: SizesMaker, name: str) -> None:
    """A file of another format never reaches a decoder."""
    assert isinstance(_undoable(maker, hostile_zoo.refused()[name]), UnknownFormat)


@pytest.mark.parametrize("name", hostile_zoo.too_large())
def test_a_bomb_is_rejected_by_its_header(maker: SizesMaker, name: str) -> None:
    """Pixels and frames are counted before decoding, and the reason has the numbers."""
    error = _undoable(maker, hostile_zoo.too_large()[name])
    assert isinstance(error, PhotoTooLarge)
    assert any(character.isdigit() for character in error.reason)


@pytest.mark.parametrize("name", hostile_zoo.small_and_costly())
def test_a_small_costly_file_stays_within_the_limits(maker: SizesMaker, name: str) -> None:
    """A small but costly file stays within the limits, and the maker handles the next photo."""
    with contextlib.suppress(BrokenPhoto):
        maker.make(hostile_zoo.small_and_costly()[name], DEFAULT_RECIPE)
    assert maker.last_exit is not None
    assert maker.last_exit.memory_bytes_peak < 1.5 * MEMORY_BYTES_MOST
    assert maker.last_exit.cpu_seconds < DEFAULT_RECIPE.limits.cpu_seconds_max
    assert maker.make(good("JPEG").data, DEFAULT_RECIPE).variants


@pytest.mark.parametrize("name", hostile_zoo.broken())
def test_a_file_that_only_begins_like_a_photo_is_broken(maker: SizesMaker, name: str) -> None:
    """Bombs in text and profile chunks, missing tables, and loops end in a reason."""
    error = _undoable(maker, hostile_zoo.broken()[name])
    assert isinstance(error, BrokenPhoto | TruncatedPhoto)


@pytest.mark.parametrize("name", hostile_zoo.odd_metadata())
def test_odd_metadata_does_not_keep_a_photo_from_its_sizes(maker: SizesMaker, name: str) -> None:
    """A photo with valid pixels gets its sizes, whatever its metadata is."""
    made = maker.make(hostile_zoo.odd_metadata()[name], DEFAULT_RECIPE)
    assert mean_error(shown(made, "n"), picture().resize((320, 213))) < 8
    camera = document(made)["camera"]
    assert camera is None or (len(camera) <= 100 and camera.isprintable())
    assert b"<" not in made.info


def test_an_index_outside_of_the_palette_is_black(
    maker: SizesMaker,
) -> None:
    """An index outside of the palette is black, and reveals no memory."""
    columns = np.tile(np.arange(256, dtype=np.uint8), (256, 1)).reshape(256, 256, 1)
    colors = png_writer.chunk(b"PLTE", bytes([255, 0, 0, 0, 0, 255]))
    data = png_writer.write_png(columns, color=png_writer.PALETTE, extra=colors)
    made = maker.make(data, DEFAULT_RECIPE)
    pixels = np.asarray(shown(made, "m"))
    assert pixels.shape == (240, 240, 3)
    assert pixels[:, 8:].max() < 16


@pytest.mark.parametrize(("declared", "true"), [(52, 52), (40, 40), (8244, 64)])
def test_a_heic_with_a_wrong_width_gets_its_decoded_dimensions(declared: int, true: int) -> None:
    """The sizes follow the dimensions that the decoder returns, not the header."""
    recipe = dataclasses.replace(DEFAULT_RECIPE, sizes=(Size("t", 30),))
    made = make_sizes(hostile_zoo.lying_heic(declared), recipe=recipe)
    assert document(made)["original"]["width"] == true
    assert shown(made, "t").width == 30


@pytest.mark.parametrize("name", CUT_FORMATS)
def test_a_truncated_photo_is_rejected_and_never_filled(name: str) -> None:
    """A photo that is cut at any of a hundred places is rejected, and never filled with gray."""
    data = good(name).data
    whole = make_sizes(data, recipe=DEFAULT_RECIPE)
    for cut in range(CUTS):
        try:
            made = make_sizes(data[: len(data) * cut // CUTS], recipe=DEFAULT_RECIPE)
        except UnprocessablePhoto:
            continue
        # The removed part contained no pixels.
        assert [v.data for v in made.variants] == [v.data for v in whole.variants]
        assert cut > 0.9 * CUTS


def test_the_reason_says_how_far_a_truncated_photo_got() -> None:
    """The reason has the present share, from the rows or from the declared length."""
    reasons = {}
    for name in ("JPEG", "PNG", "TIFF", "WebP", "AVIF", "HEIC"):
        with pytest.raises(TruncatedPhoto) as caught:
            make_sizes(good(name).data[: len(good(name).data) // 2], recipe=DEFAULT_RECIPE)
        reasons[name] = caught.value.reason
    assert all(" % of " in reason for reason in reasons.values()), reasons
    assert reasons["WebP"] == "the file ends after 50 % of its declared length"


@pytest.mark.parametrize("name", hostile_zoo.polyglots())
def test_a_hidden_payload_is_in_no_variant(maker: SizesMaker, name: str) -> None:
    """No payload appears in a variant."""
    data, payload = hostile_zoo.polyglots()[name]
    made = maker.make(data, DEFAULT_RECIPE)
    assert all(payload not in variant.data for variant in made.variants)
    assert payload not in made.info


@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_location_and_device_are_removed_and_the_credit_stays(pillow_name: str) -> None:
    """GPS, serial numbers, comments, and XMP are removed; artist and copyright stay."""
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
    # Pillow cannot write a TIFF's text in UTF-8, so the test photo has question marks there.
    if pillow_name != "TIFF":
        assert (info["credit"]["artist"], info["credit"]["copyright"]) == hostile_zoo.CREDIT


@pytest.mark.parametrize("name", GOOD)
def test_a_child_makes_what_this_process_makes(maker: SizesMaker, name: str) -> None:
    """A sandboxed child decodes every format, with the same result as this process."""
    data = good(name).data
    assert maker.make(data, DEFAULT_RECIPE) == make_sizes(data, recipe=DEFAULT_RECIPE)
