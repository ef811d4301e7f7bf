"""Size table: the sizes of a photo, and their dimensions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volumes.sizes import DEFAULT_SIZES, Size, SizeClass, size_classes, sizes_of

SIDES = st.integers(1, 70_000)
ALL = "sqtmnwdzcbhkx"


@pytest.mark.parametrize(
    ("width", "height", "letters"),
    [
        (1, 1, "x"),
        (74, 5000, "tmnwdzcbhkx"),
        (75, 75, "sx"),
        (75, 100, "sx"),
        (101, 75, "stx"),
        (149, 149, "stx"),
        (150, 150, "sqtx"),
        (240, 180, "sqtx"),
        (241, 180, "sqtmx"),
        (180, 241, "sqtmx"),
        (500, 375, "sqtmnwx"),
        (1024, 768, "sqtmnwdzcx"),
        (1025, 768, "sqtmnwdzcbx"),
        (1600, 1200, "sqtmnwdzcbx"),
        (2048, 1536, "sqtmnwdzcbhx"),
        (2049, 1536, ALL),
        (6000, 4000, ALL),
        (6000, 1, "tmnwdzcbhkx"),
    ],
)
def test_a_photo_gets_the_sizes_that_are_smaller(width, height, letters):
    """A photo gets smaller sizes, the squares that it fills, and the full size, in table order."""
    got = sizes_of(DEFAULT_SIZES, width=width, height=height)
    assert "".join(size.letter for size in got) == letters


@pytest.mark.parametrize(
    ("letter", "width", "height", "result"),
    [
        ("s", 4000, 3000, (75, 75)),
        ("q", 150, 9000, (150, 150)),
        ("t", 4000, 3000, (100, 75)),
        ("m", 3000, 4000, (180, 240)),
        ("m", 4000, 3000, (240, 180)),
        ("m", 241, 241, (240, 240)),
        ("n", 6000, 4000, (320, 213)),
        ("b", 4032, 3024, (1024, 768)),
        ("b", 5184, 3456, (1024, 683)),
        ("h", 1601, 1, (1600, 1)),
        ("k", 10_000, 3, (2048, 1)),
        ("k", 1, 65_500, (1, 2048)),
        ("t", 65_535, 65_534, (100, 100)),
        ("b", 1025, 1024, (1024, 1023)),
        ("x", 4000, 3000, (4000, 3000)),
        ("x", 12_000, 9000, (6000, 4500)),
        ("x", 40, 30, (40, 30)),
    ],
)
def test_the_geometry_of_a_size(letter, width, height, result):
    """The longest edge is the table's, and the other one keeps the aspect ratio."""
    size = next(size for size in DEFAULT_SIZES if size.letter == letter)
    assert size.dimensions_of(width, height) == result


@given(SIDES, SIDES, st.sampled_from(DEFAULT_SIZES))
def test_no_size_is_larger_than_the_photo(width, height, size):
    """No size enlarges, and every edge fits the table."""
    if not size.is_smaller_than(width, height):
        return
    made = size.dimensions_of(width, height)
    assert made <= (width, height)
    assert min(made) >= 1
    assert max(made) == size.edge_pixels


@given(SIDES, SIDES, st.sampled_from(DEFAULT_SIZES))
def test_a_rotated_photo_gets_rotated_sizes(width, height, size):
    """Portrait and landscape have swapped dimensions."""
    assert size.dimensions_of(width, height) == size.dimensions_of(height, width)[::-1]
    assert size.is_smaller_than(width, height) is size.is_smaller_than(height, width)


@given(SIDES, SIDES, st.sampled_from([size for size in DEFAULT_SIZES if not size.square]))
def test_the_shape_is_kept_to_half_a_pixel(width, height, size):
    """The aspect ratio is exact to half a pixel."""
    made = size.dimensions_of(width, height)
    scale = min(1, size.edge_pixels / max(width, height))
    for side, original in zip(made, (width, height), strict=True):
        assert side == 1 or abs(side - original * scale) <= 0.5


def test_the_letters_of_the_table_never_change():
    """Letters and edges can be added, but an existing letter never changes."""
    table = {size.letter: (size.edge_pixels, size.square) for size in DEFAULT_SIZES}
    assert table == {
        "s": (75, True),
        "q": (150, True),
        "t": (100, False),
        "m": (240, False),
        "n": (320, False),
        "w": (400, False),
        "d": (500, False),
        "z": (640, False),
        "c": (800, False),
        "b": (1024, False),
        "h": (1600, False),
        "k": (2048, False),
        "x": (6000, False),
    }


def test_a_size_up_to_1024_is_web_and_a_larger_one_is_large():
    """Classes of sizes; the original has its own class."""
    classes = size_classes((*DEFAULT_SIZES, Size("y", 1025)))
    assert {
        letter for letter, photo_version in classes.items() if photo_version is SizeClass.WEB
    } == set("sqtmnwdzcb")
    assert {
        letter for letter, photo_version in classes.items() if photo_version is SizeClass.LARGE
    } == set("hkxy")
    assert {
        letter for letter, photo_version in classes.items() if photo_version is SizeClass.ORIGINAL
    } == {"o"}
