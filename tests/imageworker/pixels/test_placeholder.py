"""Placeholders, checked with decoders written from the published descriptions."""

import base64
import math

import numpy as np
import pytest
from PIL import Image, ImageFilter

from imageworker.pixels.placeholder import blurhash, dominant_color, placeholder_of, thumbhash
from tests.imageworker.photo_zoo import picture, translucent

BASE83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"


def _soft(size: tuple[int, int]) -> Image.Image:
    """Return the image blurred to detail that a few cosine terms can represent."""
    blurred = picture(120, 90).filter(ImageFilter.GaussianBlur(14))
    return blurred.resize(size, Image.Resampling.BOX)


def _hold_alike(decoded: np.ndarray, shown: Image.Image) -> None:
    """Check the mean, and that the error is at most half of the deviation from the mean."""
    samples = np.asarray(shown).astype(float)
    mean = samples.mean(axis=(0, 1))
    assert np.abs(decoded - samples).mean() < np.abs(samples - mean).mean() / 2
    assert np.abs(decoded.mean(axis=(0, 1)) - mean).max() < 8


def _flat(*color: int, size: tuple[int, int] = (20, 15)) -> Image.Image:
    return Image.new("RGB" if len(color) == 3 else "RGBA", size, color)


def _decoded_blurhash(text: str, width: int, height: int) -> np.ndarray:
    """Decode a BlurHash by Wolt's description: sums of cosines in linear light."""

    def number(start: int, end: int) -> int:
        value = 0
        for character in text[start:end]:
            value = value * 83 + BASE83.index(character)
        return value

    across, down = number(0, 1) % 9 + 1, number(0, 1) // 9 + 1
    assert len(text) == 4 + 2 * across * down
    most = (number(1, 2) + 1) / 166
    average = number(2, 6)
    levels = np.array([average >> 16, average >> 8 & 255, average & 255]) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    picture_made = np.zeros((height, width, 3))
    for at in range(across * down):
        if at == 0:
            term = linear
        else:
            code = number(4 + 2 * at, 6 + 2 * at)
            signed = (np.array([code // 361, code // 19 % 19, code % 19]) - 9) / 9
            term = np.sign(signed) * signed**2 * most
        wave_x = np.cos(math.pi * (at % across) * np.arange(width) / width)
        wave_y = np.cos(math.pi * (at // across) * np.arange(height) / height)
        picture_made += wave_y[:, None, None] * wave_x[None, :, None] * term
    clipped = np.clip(picture_made, 0, 1)
    curved = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return curved * 255


def _decoded_thumbhash(data: bytes, width: int, height: int) -> np.ndarray:
    """Decode a ThumbHash to RGBA by the fields of its header and its triangle of terms."""
    head = int.from_bytes(data[:5], "little")
    has_alpha, is_wide = bool(head >> 23 & 1), bool(head >> 39 & 1)
    longer, shorter = (5 if has_alpha else 7), head >> 24 & 7
    across, down = (longer, shorter) if is_wide else (shorter, longer)
    bits = iter(
        nibble for byte in data[6 if has_alpha else 5 :] for nibble in (byte & 15, byte >> 4)
    )

    def channel(average: float, scale: float, nx: int, ny: int) -> np.ndarray:
        total = np.full((height, width), average)
        x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
        for v in range(ny):
            for u in range(nx):
                if (u or v) and u * ny < nx * (ny - v):
                    term = (next(bits) / 7.5 - 1) * scale * 2
                    total += term * np.outer(np.cos(math.pi * v * y), np.cos(math.pi * u * x))
        return total

    light = channel((head & 63) / 63, (head >> 18 & 31) / 31, max(3, across), max(3, down))
    p = channel((head >> 6 & 63) / 31.5 - 1, (head >> 27 & 63) / 63 * 1.25, 3, 3)
    q = channel((head >> 12 & 63) / 31.5 - 1, (head >> 33 & 63) / 63 * 1.25, 3, 3)
    alpha = channel((data[5] & 15) / 15, (data[5] >> 4) / 15, 5, 5) if has_alpha else None
    blue = light - 2 / 3 * p
    red = (3 * light - blue + q) / 2
    planes = [red, red - q, blue, np.ones_like(red) if alpha is None else alpha]
    return np.clip(np.stack(planes, axis=-1), 0, 1) * 255


@pytest.mark.parametrize(
    ("color", "across", "down", "expected"),
    [
        ((0, 0, 0), 1, 1, "000000"),
        ((0, 0, 0), 4, 3, "L00000" + "fQ" * 11),
        ((255, 255, 255), 1, 1, "00TSUA"),
        ((255, 0, 0), 1, 1, "00TI:j"),
    ],
)
def test_a_blurhash_of_one_color_has_only_its_average(
    color: tuple[int, int, int], across: int, down: int, expected: str
) -> None:
    """A flat color has only the average, 24 bits in four digits, and fQ for each empty term."""
    assert blurhash(_flat(*color), across=across, down=down) == expected


def test_a_blurhash_decodes_to_the_picture_out_of_focus() -> None:
    """A decoded BlurHash is equal to the image within the precision of 12 terms."""
    soft = _soft((32, 24))
    _hold_alike(_decoded_blurhash(blurhash(soft), 32, 24), soft)


def test_a_blurhash_of_an_upright_photo_has_more_rows_than_columns() -> None:
    """The longer edge gets more terms."""
    assert BASE83.index(blurhash(picture(24, 32))[0]) == (3 - 1) + (4 - 1) * 9
    assert BASE83.index(blurhash(picture(32, 24))[0]) == (4 - 1) + (3 - 1) * 9


def test_a_thumbhash_of_one_color_has_its_average_and_no_terms() -> None:
    """The header of a white image of 30 x 20 has the computed fields, and all terms are 0."""
    head = 63 | 32 << 6 | 32 << 12 | 0 << 18 | 0 << 23 | 5 << 24 | 1 << 39
    data = thumbhash(_flat(255, 255, 255, 255, size=(30, 20)))
    assert data[:5] == head.to_bytes(5, "little")
    assert set(data[5:]) == {0}


@pytest.mark.parametrize("size", [(32, 24), (24, 32), (32, 32), (32, 3)])
def test_a_thumbhash_decodes_to_the_picture_out_of_focus(size: tuple[int, int]) -> None:
    """A decoded ThumbHash is equal to the image, for every aspect ratio."""
    data = thumbhash(_soft(size).convert("RGBA"))
    assert 13 <= len(data) <= 25
    _hold_alike(_decoded_thumbhash(data, *size)[..., :3], _soft(size))


def test_a_thumbhash_keeps_transparency() -> None:
    """A decoded ThumbHash of a disc is opaque in the middle and transparent in the corners."""
    small = translucent().resize((32, 24))
    decoded = _decoded_thumbhash(thumbhash(small), 32, 24)
    assert decoded[12, 16, 3] > 170
    assert decoded[0, 0, 3] < 60


def test_a_wholly_transparent_photo_has_a_thumbhash() -> None:
    """A completely transparent photo has a ThumbHash, without a division by zero."""
    assert _decoded_thumbhash(thumbhash(_flat(9, 9, 9, 0)), 8, 6)[..., 3].max() == 0


def test_a_photo_of_one_pixel_has_placeholders() -> None:
    """A photo of one pixel has placeholders, without a division by zero."""
    assert placeholder_of(_flat(1, 2, 3, size=(1, 1))).color == "#010203"


def test_the_dominant_color_has_the_most_pixels() -> None:
    """A photo that is two thirds blue has blue as its dominant color, not the mixture."""
    pixels = _flat(10, 20, 230, size=(30, 30))
    pixels.paste((240, 200, 10), (0, 0, 30, 10))
    assert dominant_color(pixels) == "#0a14e6"


def test_placeholders_are_text_and_the_same_every_time() -> None:
    """Placeholders are JSON text, and equal for the same photo."""
    first = placeholder_of(translucent())
    assert first == placeholder_of(translucent())
    assert len(base64.b64decode(first.thumbhash, validate=True)) >= 20
    assert first.blurhash.isprintable()
    assert first.color.startswith("#")
