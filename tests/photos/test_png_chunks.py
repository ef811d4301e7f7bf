"""PNG of every color type and depth, with and without transparency, beside chunks of any kind."""

import dataclasses
import itertools
import struct
import zlib

import numpy as np
import pytest

from imageworker.make_sizes import make_sizes
from imageworker.recipe import DEFAULT_RECIPE, AnimationSetting
from storagemaster.image_header.sniff import Sniffed, sniff
from tests.imageworker import png_writer
from tests.imageworker.png_writer import chunk
from tests.photos.judge import LEVELS_MAX, by_libvips, by_worker, levels_apart

WIDTH, HEIGHT = 37, 29
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
KINDS = [(color, depth) for color, depths in DEPTHS.items() for depth in depths]
PALETTE = np.random.default_rng(2).integers(0, 256, (200, 3), dtype=np.uint8)
MOVING = dataclasses.replace(DEFAULT_RECIPE, animation=AnimationSetting())
MEBIBYTE = 1024 * 1024


def ramps(color, depth):
    """Return samples that differ by column, row, and channel."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    highest = min((1 << depth) - 1, len(PALETTE) - 1 if color == 3 else 65535)
    shares = x / (WIDTH - 1), y / (HEIGHT - 1), (x + y) / (WIDTH + HEIGHT - 2), 0.2 + y / HEIGHT / 2
    return np.round(np.stack(shares[: CHANNELS[color]], axis=-1) * highest).astype(np.int64)


def packed_rows(samples, depth):
    """Return rows of samples, each with its filter byte."""
    for row in samples.reshape(len(samples), -1):
        if depth >= 8:
            yield b"\0" + row.astype(f">u{depth // 8}").tobytes()
        else:
            bits = row[:, None] >> np.arange(depth - 1, -1, -1) & 1
            yield b"\0" + np.packbits(bits.reshape(-1).astype(np.uint8)).tobytes()


def png(color, depth, *, before=b"", behind=b"", interlaced=False):
    """Return a PNG of `ramps`, with chunks before and behind its pixels."""
    samples = ramps(color, depth)
    passes = [samples]
    if interlaced:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in png_writer._PASSES]
        passes = [part for part in parts if part.size]
    rows = b"".join(row for part in passes for row in packed_rows(part, depth))
    colors = chunk(b"PLTE", PALETTE[: 1 << depth].tobytes()) if color == 3 else b""
    return (
        png_writer.SIGNATURE
        + png_writer.header(WIDTH, HEIGHT, depth=depth, color=color, interlaced=interlaced)
        + colors
        + before
        + chunk(b"IDAT", zlib.compress(rows))
        + behind
        + chunk(b"IEND", b"")
    )


def transparencies(color, depth):
    """Return contents of tRNS chunks, sound or not, by name."""
    if color == 3:
        count = min(len(PALETTE), 1 << depth)
        return {
            "first color": b"\0",
            "one color": b"\xff" * (count // 2) + b"\0",
            "every color": bytes(range(count)),
            "over the palette": bytes(count + 1),
            "nothing": b"",
        }
    if color not in {0, 2}:
        return {"beside alpha": bytes(6)}
    shown = ramps(color, depth)[HEIGHT // 2, WIDTH // 2]
    packing = struct.Struct(f">{CHANNELS[color]}H")
    return {
        "a shown color": packing.pack(*shown),
        "the next color": packing.pack(*(shown ^ 1)),
        "lowest": packing.pack(*[0] * len(shown)),
        "highest": packing.pack(*[(1 << depth) - 1] * len(shown)),
        "with bits over the depth": packing.pack(*[int(v) | 0xFF00 & -(1 << depth) for v in shown]),
        "too short": b"\0",
        "too long": packing.pack(*shown) + b"\0",
    }


def damaged(kind, content):
    """Return a chunk with a wrong check sum."""
    whole = chunk(kind, content)
    return whole[:-1] + bytes([whole[-1] ^ 1])


@pytest.mark.parametrize(("color", "depth"), KINDS)
def test_every_kind_is_shown_as_by_libvips(color, depth):
    """With each transparency, and interlaced."""
    for name, content in {"none": None, **transparencies(color, depth)}.items():
        before = b"" if content is None else chunk(b"tRNS", content)
        for interlaced in (False, True):
            data = png(color, depth, before=before, interlaced=interlaced)
            apart = levels_apart(by_worker(data), by_libvips(data))
            assert apart <= LEVELS_MAX, f"{name}, interlaced: {interlaced}"
            assert sniff(data) == Sniffed(ext="png", width=WIDTH, height=HEIGHT)


@pytest.mark.parametrize(("color", "depth"), KINDS)
def test_transparency_that_does_not_count_is_left_out(color, depth):
    """That behind the pixels, a second one, and one with a wrong check sum."""
    contents = list(transparencies(color, depth).values())
    behind = png(color, depth, behind=chunk(b"tRNS", contents[0]))
    plain = by_worker(png(color, depth))
    assert levels_apart(by_worker(behind), by_libvips(behind)) <= LEVELS_MAX
    assert levels_apart(by_worker(behind), plain) == 0
    wrong = png(color, depth, before=damaged(b"tRNS", contents[0]))
    assert levels_apart(by_worker(wrong), plain) == 0
    if len(contents) > 1:
        twice = png(color, depth, before=chunk(b"tRNS", contents[0]) + chunk(b"tRNS", contents[1]))
        assert levels_apart(by_worker(twice), by_libvips(twice)) <= LEVELS_MAX


def _text(size, *, method=0):
    return bytes([method]) + zlib.compress(bytes(size))


CONTENTS = {
    "zTXt": b"Comment\0" + _text(100),
    "zTXt over 1 MiB": b"Comment\0" + _text(MEBIBYTE + 1),
    "zTXt over 64 MiB": b"Comment\0" + _text(70 * MEBIBYTE),
    "zTXt of an unknown method": b"Comment\0" + _text(100, method=7),
    "zTXt of noise": b"Comment\0\0" + bytes(range(256)),
    "zTXt without a name": b"",
    "iTXt": b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<x/>"),
    "iTXt over 1 MiB": b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(MEBIBYTE + 1)),
    "iTXt of an unknown method": b"XML:com.adobe.xmp\0\1\7\0\0" + zlib.compress(b"<x/>"),
    "iTXt that is not UTF-8": b"a\0\0\0\xff\0\xff\0\xff\xff",
    "iTXt without fields": b"a",
    "tEXt over 1 MiB": b"Comment\0" + b"x" * (MEBIBYTE + 1),
    "tEXt that names EXIF": b"Raw profile type exif\0\nexif\n  4\nzzzz",
    "tEXt that names XMP": b"XML:com.adobe.xmp\0tiff:Orientation>6",
    "iCCP of an unknown method": b"p\0\7" + zlib.compress(bytes(300)),
    "iCCP of noise": b"p\0\0" + bytes(range(256)),
    "iCCP over 1 MiB": b"p\0" + _text(MEBIBYTE + 1),
    "iCCP over 64 MiB": b"p\0" + _text(70 * MEBIBYTE),
    "iCCP without a profile": b"p",
    "eXIf of noise": bytes(range(256)),
    "eXIf over its limit": b"II*\0" + bytes(2 * MEBIBYTE),
    "gAMA too short": b"\0",
    "cHRM too short": b"\0",
    "sRGB too short": b"",
    "pHYs too short": b"\0",
    "bKGD of another color type": bytes(1),
    "hIST without a palette": bytes(10),
    "sBIT too long": bytes(99),
    "tIME of no date": b"\xff" * 7,
    "sPLT of noise": b"\xff" * 50,
    "acTL too short": b"\0",
    "acTL of no frames": bytes(8),
    "acTL without frames": struct.pack(">II", 3, 0),
    "fcTL too short": b"\0",
    "fcTL out of order": struct.pack(">IIIIIHHBB", 9, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0),
    "fcTL off the canvas": struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 9, 9, 1, 10, 0, 0),
    "fdAT of noise": b"\0\0\0\0" + bytes(range(256)),
    "vpAg unknown": b"x" * 1000,
}


@pytest.mark.parametrize("is_damaged", [False, True], ids=["intact", "wrong check sum"])
@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("name", CONTENTS)
def test_a_chunk_beside_the_pixels_never_costs_the_photo(name, place, is_damaged):
    """Whatever it has, the pixels are those without it."""
    render = damaged if is_damaged else chunk
    data = png(2, 8, **{place: render(name[:4].encode(), CONTENTS[name])})
    assert levels_apart(by_worker(data), by_worker(png(2, 8))) == 0
    assert sniff(data) == Sniffed(ext="png", width=WIDTH, height=HEIGHT)
    assert make_sizes(data, recipe=MOVING).info


def test_a_chunk_cut_off_behind_the_pixels_does_not_cost_the_photo():
    """The pixels are all there."""
    plain = png(2, 8)
    data = plain[:-12] + chunk(b"tEXt", b"Comment\0" + bytes(500))[:100]
    assert levels_apart(by_worker(data), by_worker(plain)) == 0


@pytest.mark.parametrize(
    ("place", "orientation"), [*itertools.product(["before", "behind"], range(9))]
)
def test_exif_turns_the_photo(place, orientation):
    """Also EXIF behind the pixels; a second one does not count."""
    exif = struct.pack("<4sIHHHIHH", b"II*\0", 8, 1, 0x0112, 3, 1, orientation, 0)
    other = exif.replace(bytes([orientation, 0, 0, 0]), bytes([9 - orientation, 0, 0, 0]))
    data = png(2, 8, **{place: chunk(b"eXIf", exif) + chunk(b"eXIf", other)})
    shown, plain = by_worker(data), by_worker(png(2, 8))
    turned = {
        2: plain[:, ::-1],
        3: plain[::-1, ::-1],
        4: plain[::-1],
        5: plain.swapaxes(0, 1),
        6: plain.swapaxes(0, 1)[:, ::-1],
        7: plain[::-1, ::-1].swapaxes(0, 1),
        8: plain.swapaxes(0, 1)[::-1],
    }
    assert levels_apart(shown, turned.get(orientation, plain)) == 0
    assert sniff(data) == Sniffed(
        ext="png",
        width=shown.shape[1],
        height=shown.shape[0],
        is_on_its_side=orientation in {5, 6, 7, 8},
    )
