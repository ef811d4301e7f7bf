"""Small photos of every format, and random mutations of their bytes."""

import random
from collections.abc import Callable, Sequence

from PIL import Image

from imageworker.pixels.icc_profile import DISPLAY_P3_PROFILE
from tests.imageworker.cmyk_profile import cmyk_profile
from tests.imageworker.hostile_zoo import full_of_secrets, many_frames
from tests.imageworker.photo_zoo import moving, picture, save

WIDTH, HEIGHT = 52, 40

# Lengths, offsets, and dimensions that parsers handle wrongly.
_TELLING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def small_photos() -> list[bytes]:
    """Return one small photo for each path through a decoder or a metadata parser."""
    shown = picture(WIDTH, HEIGHT)
    see_through = shown.convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(shown.size))
    first, *rest = moving(3, (WIDTH, HEIGHT))
    animated = {"save_all": True, "append_images": rest}
    profile = DISPLAY_P3_PROFILE
    # A CMYK profile takes as long to prepare as ten photos, so it gets a third of the share.
    with_table = save(shown.convert("CMYK"), "JPEG", icc_profile=cmyk_profile())
    return [with_table] + 3 * [
        save(shown, "JPEG", icc_profile=profile),
        save(shown, "JPEG", progressive=True),
        save(shown.convert("CMYK"), "JPEG"),
        save(shown.convert("L"), "JPEG"),
        full_of_secrets("JPEG"),
        full_of_secrets("PNG"),
        full_of_secrets("TIFF"),
        full_of_secrets("WEBP"),
        save(shown, "PNG", icc_profile=profile),
        save(see_through, "PNG"),
        save(shown.quantize(16), "PNG"),
        save(shown.convert("I;16"), "PNG"),
        save(first, "PNG", **animated),
        save(shown.quantize(64), "GIF"),
        save(first, "GIF", **animated),
        many_frames(20),
        save(shown, "WEBP"),
        save(see_through, "WEBP", lossless=True),
        save(first, "WEBP", **animated),
        save(shown, "AVIF", speed=10, icc_profile=profile),
        save(see_through, "AVIF", speed=10),
        save(shown, "HEIF", icc_profile=profile),
        save(shown, "TIFF", compression="tiff_lzw"),
        save(shown, "TIFF", compression="jpeg"),
        save(shown, "TIFF", compression="tiff_adobe_deflate", icc_profile=profile),
        save(shown.convert("1"), "TIFF", compression="group4"),
    ]


def mutate(photos: Sequence[bytes], rng: random.Random) -> bytes:
    """Return one of the photos with one to four mutations."""
    data = bytearray(rng.choice(photos))
    for _ in range(rng.choice((1, 1, 2, 4))):
        rng.choice(_WAYS)(data, photos, rng)
    return bytes(data)


def _flip_bits(data: bytearray, _photos: Sequence[bytes], rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 4, 32))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _write_number(data: bytearray, _photos: Sequence[bytes], rng: random.Random) -> None:
    length = rng.choice((1, 2, 4))
    value = rng.choice(_TELLING) & (1 << 8 * length) - 1
    # Half of the mutations hit the header, where the lengths are.
    reach = min(len(data), rng.choice((64, 600, len(data) or 1)))
    at = rng.randrange(max(1, reach))
    data[at : at + length] = value.to_bytes(length, rng.choice(("big", "little")))


def _cut(data: bytearray, _photos: Sequence[bytes], rng: random.Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _drop(data: bytearray, _photos: Sequence[bytes], rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    del data[at : at + rng.choice((1, 2, 16, 200))]


def _repeat(data: bytearray, _photos: Sequence[bytes], rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = data[at : at + rng.choice((1, 8, 100))] * rng.choice((1, 3, 20))


def _noise(data: bytearray, _photos: Sequence[bytes], rng: random.Random) -> None:
    at, length = rng.randrange(len(data) + 1), rng.choice((1, 8, 64))
    data[at : at + length] = rng.randbytes(length)


def _splice(data: bytearray, photos: Sequence[bytes], rng: random.Random) -> None:
    other = rng.choice(photos)
    at = rng.randrange(len(data) + 1)
    data[at:] = other[rng.randrange(len(other)) :]


NodePair = Callable[[bytearray, Sequence[bytes], random.Random], None]
_WAYS: tuple[NodePair, ...] = (
    _flip_bits,
    _flip_bits,
    _write_number,
    _write_number,
    _cut,
    _drop,
    _repeat,
    _noise,
    _splice,
)
