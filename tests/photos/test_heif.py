"""AVIF and HEIC: brands, order of boxes, crop, turns, mirrors, alpha, and what is beside pixels."""

import functools
import itertools
import struct

import numpy as np
import pytest
from PIL import Image

from imageworker.make_sizes import make_sizes
from imageworker.recipe import DEFAULT_RECIPE
from storagemaster.image_header.sniff import Sniffed, sniff
from tests.imageworker.photo_zoo import picture, save
from tests.imageworker.variants import document
from tests.photos.heif_writer import box, crop, mirror, rewrite, turn
from tests.photos.judge import by_libvips, by_worker, levels_apart

WIDTH, HEIGHT = 96, 64
FORMATS = {"AVIF": "avif", "HEIF": "heic"}
# Chroma of a lossy file: two decoders, and two encoders, differ by more than three levels there.
LOSSY_LEVELS_MAX = 8
CROPS = (None, (50, 40), (50, 40, 11, -7), (33, 21, 5, 3))


@functools.cache
def plain(pillow_name, *, alpha=False):
    """Return a photo whose chroma is not subsampled."""
    shown = picture(WIDTH, HEIGHT)
    if alpha:
        shown = shown.convert("RGBA")
        shown.putalpha(Image.linear_gradient("L").resize(shown.size))
    settings = {"subsampling": "4:4:4"} if pillow_name == "AVIF" else {"chroma": 444}
    return save(shown, pillow_name, quality=95, **settings)


def transforms():
    """Yield lists of transforms in any order."""
    for quarters, axis, part in itertools.product((None, 0, 1, 2, 3), (None, 0, 1), CROPS):
        listed = []
        if part is not None:
            listed.append(crop(*part))
        if quarters is not None:
            listed.append(turn(quarters))
        if axis is not None:
            listed.append(mirror(axis))
        yield from itertools.permutations(listed)


def is_measured_right(data, ext, shown):
    """Return True if the storagemaster's reader has the format and dimensions of the worker's."""
    return sniff(data) == Sniffed(ext=ext, width=shown.shape[1], height=shown.shape[0])


def test_avif_is_cropped_turned_and_mirrored_as_by_libvips():
    """In the order of the list, and wherever the extent is in it."""
    for listed, comes_first in itertools.product(transforms(), (False, True)):
        data = rewrite(plain("AVIF"), properties=listed, comes_first=comes_first)
        shown = by_worker(data)
        assert levels_apart(shown, by_libvips(data)) <= LOSSY_LEVELS_MAX, listed
        assert is_measured_right(data, "avif", shown), listed


def test_heic_is_measured_as_libheif_shows_it():
    """The AVIF with the same transforms judges: libvips can lack a decoder of HEVC."""
    for listed in transforms():
        data = rewrite(plain("HEIF"), properties=listed)
        shown = by_worker(data)
        assert is_measured_right(data, "heic", shown), listed
        other = by_worker(rewrite(plain("AVIF"), properties=listed))
        assert shown.shape == other.shape, listed
        assert np.abs(shown.astype(int) - other.astype(int)).mean() < 3, listed


@pytest.mark.parametrize("pillow_name", FORMATS)
@pytest.mark.parametrize("major", [b"mif1", b"mif2", b"msf1", b"miaf", b"heic"])
@pytest.mark.parametrize("names_codec_at", [None, 0, 11, 12, 13, 40])
def test_the_codec_is_found_whatever_the_brands_say(pillow_name, major, names_codec_at):
    """By a brand anywhere in the list, or by the settings of the decoder."""
    ext = FORMATS[pillow_name]
    if major in {b"heic", b"avif"}:
        major = ext.encode()
    brands = [major, *[b"xxxx"] * 50]
    if names_codec_at is not None:
        brands[1 + names_codec_at] = ext.encode()
    data = rewrite(plain(pillow_name), brands=brands)
    shown = by_worker(data)
    assert levels_apart(shown, by_worker(plain(pillow_name))) == 0
    assert is_measured_right(data, ext, shown)


@pytest.mark.parametrize("pillow_name", FORMATS)
@pytest.mark.parametrize("padding", [0, 100, 3_000_000])
@pytest.mark.parametrize("meta_last", [False, True])
def test_boxes_can_be_in_any_order(pillow_name, padding, meta_last):
    """The description follows the pixels, or any number of bytes."""
    data = rewrite(plain(pillow_name), padding=padding, meta_last=meta_last)
    shown = by_worker(data)
    assert levels_apart(shown, by_worker(plain(pillow_name))) == 0
    assert is_measured_right(data, FORMATS[pillow_name], shown)


@pytest.mark.parametrize("pillow_name", FORMATS)
@pytest.mark.parametrize("association_each", [False, True])
@pytest.mark.parametrize("alpha_has_extent", [False, True])
@pytest.mark.parametrize("meta_last", [False, True])
def test_alpha_is_shown_however_it_is_described(
    pillow_name, association_each, alpha_has_extent, meta_last
):
    """One list of associations and an extent of alpha is what libavif alone demands."""
    data = rewrite(
        plain(pillow_name, alpha=True),
        association_each=association_each,
        alpha_has_extent=alpha_has_extent,
        meta_last=meta_last,
    )
    shown = by_worker(data)
    assert levels_apart(shown, by_worker(plain(pillow_name, alpha=True))) == 0
    assert is_measured_right(data, FORMATS[pillow_name], shown)
    if pillow_name == "AVIF":
        assert levels_apart(shown, by_libvips(data)) <= LOSSY_LEVELS_MAX


@pytest.mark.parametrize("pillow_name", FORMATS)
@pytest.mark.parametrize(("transfer", "note"), [(1, False), (13, False), (16, True), (18, True)])
def test_hdr_has_a_note(pillow_name, transfer, note):
    """PQ and HLG are not converted, and the info says so."""
    data = plain(pillow_name)
    at = data.index(b"nclx") + 6
    data = data[:at] + struct.pack(">H", transfer) + data[at + 2 :]
    notes = document(make_sizes(data, recipe=DEFAULT_RECIPE))["notes"]
    assert any("HDR" in each for each in notes) is note


@pytest.mark.parametrize("pillow_name", FORMATS)
@pytest.mark.parametrize(
    "block",
    [b"\xff" * 40, b"II*\0", b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0", bytes(9)],
    ids=["noise", "cut short", "orientation 6", "zeros"],
)
def test_exif_costs_nothing_and_turns_nothing(pillow_name, block):
    """The container says how the photo is turned, as in browsers."""
    name = b"MAGICMARK" * 5
    exif = (
        b"Exif\0\0" + struct.pack("<4sIHHHII", b"II*\0", 8, 1, 0x010E, 2, 45, 26) + b"\0" * 4 + name
    )
    data = save(picture(WIDTH, HEIGHT), pillow_name, quality=95, exif=exif)
    start = data.index(b"II*\0")
    length = data.index(name) + len(name) - start
    data = data[:start] + block[:length].ljust(length, b"\0") + data[start + length :]
    shown = by_worker(data)
    assert shown.shape == (HEIGHT, WIDTH, 3)
    assert is_measured_right(data, FORMATS[pillow_name], shown)


def test_a_minimized_header_is_refused_by_its_name():
    """No reader here knows it, and the words say what to do."""
    data = struct.pack(">I4s4s4s", 16, b"ftyp", b"mif3", b"avif") + box(b"mini", bytes(40))
    assert "mini box" in sniff(data).reason
    assert "save it" in sniff(data).reason
