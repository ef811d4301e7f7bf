"""TIFF of every layout: what the samples say, what libvips shows, and what both readers make."""

import dataclasses

import numpy as np
import pytest
import pyvips

from imageworker.pixels.decode import decode
from imageworker.processing_errors import BrokenPhoto
from imageworker.recipe import DEFAULT_RECIPE
from storagemaster.image_header.sniff import Sniffed, sniff
from tests.photos import tiff_writer as tiff
from tests.photos.judge import LEVELS_MAX, by_libvips, by_worker, levels_apart
from tests.photos.tiff_writer import Layout, write_tiff

WIDTH, HEIGHT = 45, 37
BYTE_ORDERS = ("<", ">")
COMPRESSIONS = (tiff.NONE, tiff.LZW, tiff.DEFLATE, tiff.PACKBITS)
# Photometric interpretation, channels, and what the extra ones are.
COLORS = (
    (tiff.WHITE_IS_ZERO, 1, ()),
    (tiff.BLACK_IS_ZERO, 1, ()),
    (tiff.WHITE_IS_ZERO, 2, (tiff.UNSPECIFIED,)),
    (tiff.WHITE_IS_ZERO, 2, (tiff.ALPHA,)),
    (tiff.BLACK_IS_ZERO, 2, ()),
    (tiff.BLACK_IS_ZERO, 2, (tiff.UNSPECIFIED,)),
    (tiff.BLACK_IS_ZERO, 2, (tiff.PREMULTIPLIED,)),
    (tiff.BLACK_IS_ZERO, 2, (tiff.ALPHA,)),
    (tiff.RGB, 3, ()),
    (tiff.RGB, 4, ()),
    (tiff.RGB, 4, (tiff.UNSPECIFIED,)),
    (tiff.RGB, 4, (tiff.PREMULTIPLIED,)),
    (tiff.RGB, 4, (tiff.ALPHA,)),
    (tiff.INKS, 4, ()),
)
DEPTHS = {1: (1, 2, 4, 8, 12, 16)}
DEEP = (8, 16)


def ramps(channels, bits):
    """Return samples that differ by column, row, and channel, with the alpha always above zero."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    shares = [
        x / (WIDTH - 1),
        y / (HEIGHT - 1),
        (x + y) / (WIDTH + HEIGHT - 2),
        0.3 + 0.5 * (x - y + HEIGHT) / (WIDTH + HEIGHT),
    ]
    if channels == 2:
        shares[1] = shares[3]
    return np.round(np.stack(shares[:channels], axis=-1) * ((1 << bits) - 1)).astype(np.int64)


def expected(samples, layout):
    """Return what samples look like on white, by the definition of the format."""
    values = samples * 255 / ((1 << layout.bits) - 1)
    base = {tiff.RGB: 3, tiff.INKS: 4}.get(layout.photometric, 1)
    color, alpha = values[..., :base], values[..., base:] / 255
    if alpha.size and layout.extra == (tiff.PREMULTIPLIED,):
        color = np.minimum(color / alpha, 255)
    if layout.photometric == tiff.INKS:
        color = (255 - color[..., :3]) * (255 - color[..., 3:]) / 255
    if layout.photometric == tiff.WHITE_IS_ZERO:
        color = 255 - color
    if alpha.size and layout.extra != (tiff.UNSPECIFIED,):
        color = color * alpha + 255 * (1 - alpha)
    return np.round(np.broadcast_to(color, (*color.shape[:2], 3)))


def layouts():
    """Yield every layout and its number of channels."""
    for photometric, channels, extra in COLORS:
        for bits in DEPTHS.get(channels, DEEP):
            for order in BYTE_ORDERS:
                for compression in COMPRESSIONS:
                    for tile in (None, 16):
                        for planar in (False, True):
                            yield (
                                channels,
                                Layout(
                                    photometric=photometric,
                                    bits=bits,
                                    order=order,
                                    compression=compression,
                                    tile=tile,
                                    planar=planar,
                                    extra=extra,
                                ),
                            )


def can_libvips_judge(layout, channels):
    """Return True unless libvips is known to show the layout otherwise than the format defines.

    It takes every fourth sample for alpha, converts CMYK by a profile of its own, and mixes up the
    rows of a single plane and planes in tiles.
    """
    is_odd_plane = layout.planar and (channels < 3 or layout.tile is not None)
    return not is_odd_plane and layout.extra != (tiff.UNSPECIFIED,) and layout.photometric < 5


def test_every_layout_is_shown_as_it_is_defined():
    """The samples and libvips agree with both readers, within three levels."""
    faults, judged = [], 0
    for channels, layout in layouts():
        samples = ramps(channels, layout.bits)
        data = write_tiff(samples, layout)
        if sniff(data) != Sniffed(ext="tif", width=WIDTH, height=HEIGHT):
            faults.append(f"{layout}: {sniff(data)}")
        shown = by_worker(data)
        apart = [levels_apart(shown, expected(samples, layout))]
        if can_libvips_judge(layout, channels) and layout.bits != 12:
            apart.append(levels_apart(shown, by_libvips(data)))
            judged += 1
        if max(apart) > LEVELS_MAX:
            faults.append(f"{layout}: {apart} levels apart")
    assert not faults, "\n".join(faults)
    assert judged > 300


@pytest.mark.parametrize(
    "changed",
    [
        {"predictor": True, "compression": tiff.LZW},
        {"predictor": True, "compression": tiff.DEFLATE, "tile": 16},
        {"reversed_bits": True},
        {"directory_first": True},
        {"rows_per_strip": 1},
        {"rows_per_strip": 1000},
        {"tile": 64},
    ],
    ids=str,
)
@pytest.mark.parametrize("bits", DEEP)
@pytest.mark.parametrize("order", BYTE_ORDERS)
def test_how_samples_are_packed_does_not_matter(changed, bits, order):
    """Predictors, strips, tiles, reversed bits, and the place of the directory."""
    layout = Layout(photometric=tiff.RGB, bits=bits, order=order, **changed)
    samples = ramps(3, bits)
    data = write_tiff(samples, layout)
    shown = by_worker(data)
    assert levels_apart(shown, expected(samples, layout)) <= LEVELS_MAX
    assert levels_apart(shown, by_libvips(data)) <= LEVELS_MAX


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("order", BYTE_ORDERS)
def test_palettes_are_looked_up(bits, order):
    """The palette has 16 bits for each color."""
    colors = np.random.default_rng(bits).integers(0, 256, (3, 1 << bits)) * 257
    layout = Layout(
        photometric=tiff.PALETTE, bits=bits, order=order, palette=colors.flatten().tolist()
    )
    samples = ramps(1, bits)
    data = write_tiff(samples, layout)
    shown = by_worker(data)
    assert levels_apart(shown, colors.T[samples[..., 0]] // 257) == 0
    assert levels_apart(shown, by_libvips(data)) <= LEVELS_MAX


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", DEEP)
def test_orientation_is_applied(orientation, bits):
    """Both readers have the dimensions as displayed."""
    data = write_tiff(
        ramps(3, bits), Layout(photometric=tiff.RGB, bits=bits, orientation=orientation)
    )
    shown = by_worker(data)
    assert levels_apart(shown, by_libvips(data)) <= LEVELS_MAX
    found = sniff(data)
    assert (found.height, found.width) == shown.shape[:2]


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (
            Layout(bits=32, sample_format=tiff.FLOAT),
            "1 sample of 32-bit floating-point numbers (gray)",
        ),
        (
            Layout(bits=32, sample_format=tiff.FLOAT, photometric=tiff.RGB),
            "3 samples of 32-bit floating-point numbers (RGB)",
        ),
        (Layout(bits=16, sample_format=tiff.SIGNED), "1 sample of 16-bit signed numbers (gray)"),
        (Layout(bits=32, photometric=tiff.RGB), "3 samples of 32-bit unsigned numbers (RGB)"),
        (Layout(bits=4, photometric=tiff.RGB), "3 samples of 4-bit unsigned numbers (RGB)"),
    ],
    ids=str,
)
def test_what_is_not_made_says_why(layout, words):
    """The words name the layout, and what to save instead."""
    channels = 3 if layout.photometric == tiff.RGB else 1
    data = write_tiff(ramps(channels, min(layout.bits, 8)), layout)
    with pytest.raises(BrokenPhoto) as caught:
        decode(data, limits=DEFAULT_RECIPE.limits, sizes=DEFAULT_RECIPE.sizes)
    assert words in caught.value.reason
    assert "save it" in caught.value.reason


def test_a_compression_that_is_not_built_in_is_named():
    """The file is not called damaged."""
    pixels = pyvips.Image.black(64, 48, bands=3).copy(interpretation="srgb")
    data = pixels.tiffsave_buffer(compression="webp", lossless=True)
    with pytest.raises(BrokenPhoto, match="compression WebP is not read here"):
        by_worker(data)


def test_libvips_still_differs_where_it_does_not_judge():
    """If this fails, libvips has been corrected, and can judge more layouts."""
    layout = Layout(photometric=tiff.RGB, extra=(tiff.UNSPECIFIED,))
    data = write_tiff(ramps(4, 8), layout)
    assert levels_apart(by_libvips(data), by_worker(data)) > LEVELS_MAX
    with pytest.raises(pyvips.Error):
        by_libvips(write_tiff(ramps(3, 8), dataclasses.replace(layout, tile=16, planar=True)))
