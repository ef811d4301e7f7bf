"""Plan of the resize steps: a pure function."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imageworker.pixels.resize import (
    DRAFT_DOWNSCALE_MIN,
    Step,
    draft_scale,
    plan_sizes,
    run_plan,
    shrink,
)
from volumes.sizes import DEFAULT_SIZES, Size, first_pass_sizes, sizes_of

EDGES = st.integers(1, 12_000)
TABLES = st.lists(
    st.builds(Size, st.just("x"), st.integers(1, 3000), st.booleans()), min_size=1, max_size=12
).map(
    lambda sizes: tuple(
        Size("abcdefghijklmn"[at], size.edge_pixels, square=size.square)
        for at, size in enumerate(sizes)
    )
)


def _plan(width: int, height: int) -> dict[str, Step]:
    return {
        step.size.letter: step for step in plan_sizes(DEFAULT_SIZES, width=width, height=height)
    }


def test_a_12_megapixel_photo_is_read_once_and_cascaded() -> None:
    """Only the largest size is made from the photo; every other one from a larger size."""
    sources = {letter: step.source for letter, step in _plan(4000, 3000).items()}
    assert sources == {
        "x": None, "k": "x", "h": "x", "b": "h", "c": "h", "z": "b", "d": "c",
        "w": "z", "n": "d", "m": "w", "t": "m", "q": "n", "s": "m",
    }  # fmt: skip


def test_a_square_is_cut_from_the_middle() -> None:
    """The box of a square is central in its source."""
    step = _plan(4000, 3000)["q"]
    assert (step.source, step.width, step.height) == ("n", 150, 150)
    assert step.box == pytest.approx((40, 0, 280, 240))


def test_a_square_of_a_panorama_comes_from_the_photo() -> None:
    """A square of a panorama is made from the photo, because other sizes are too low."""
    step = _plan(10_000, 100)["s"]
    assert step.source is None
    assert step.box == pytest.approx((4950, 0, 5050, 100))


@pytest.mark.parametrize(
    ("width", "height", "letters"),
    [
        (74, 74, "x"),
        (75, 75, "sx"),
        (100, 100, "sx"),
        (101, 80, "stx"),
        (2048, 1536, "sqtmnwdzcbhx"),
        (2049, 1537, "sqtmnwdzcbhkx"),
        (20_000, 1, "tmnwdzcbhkx"),
    ],
)
def test_a_photo_gets_the_sizes_smaller_than_itself(width: int, height: int, letters: str) -> None:
    """Sizes never enlarge; a square needs the shorter edge, other small sizes the longer."""
    assert set(_plan(width, height)) == set(letters)
    assert set(_plan(height, width)) == set(letters)


@given(TABLES, EDGES, EDGES)
def test_no_step_enlarges_and_no_box_leaves_its_source(
    table: tuple[Size, ...], width: int, height: int
) -> None:
    """For any table and photo, no step enlarges, and every box is within its source."""
    drafted = draft_scale(table, width=width, height=height)
    steps = plan_sizes(table, width=width, height=height, drafted=drafted)
    assert {step.size for step in steps} == set(sizes_of(table, width=width, height=height))
    extent: dict[str | None, tuple[float, float]] = {None: (width / drafted, height / drafted)}
    for step in steps:
        across, down = extent[step.source]
        left, top, right, bottom = step.box
        assert 0 <= left < right <= across
        assert 0 <= top < bottom <= down
        assert (step.width, step.height) == step.size.dimensions_of(width, height)
        assert right - left > step.width - 1e-6 or step.width == 1
        assert bottom - top > step.height - 1e-6 or step.height == 1
        extent[step.size.letter] = (step.width, step.height)


@given(TABLES, EDGES, EDGES)
def test_a_plan_of_a_rotated_photo_is_the_plan_rotated(
    table: tuple[Size, ...], width: int, height: int
) -> None:
    """The plan of a rotated photo is the rotated plan, so that rotation can come last."""
    lying = plan_sizes(table, width=width, height=height)
    upright = plan_sizes(table, width=height, height=width)
    assert [(step.size, step.source, step.width, step.height) for step in lying] == [
        (step.size, step.source, step.height, step.width) for step in upright
    ]
    for one, other in zip(lying, upright, strict=True):
        left, top, right, bottom = one.box
        assert other.box == pytest.approx((top, left, bottom, right))


@given(EDGES, EDGES)
def test_a_draft_is_still_much_larger_than_any_size(width: int, height: int) -> None:
    """A draft decode is still much larger than the largest size and every square."""
    scale = draft_scale(DEFAULT_SIZES, width=width, height=height, choose=first_pass_sizes)
    assert scale in {1, 2, 4, 8}
    if scale > 1:
        for size in first_pass_sizes(DEFAULT_SIZES, width=width, height=height):
            edge = min(width, height) if size.square else max(width, height)
            assert edge / scale >= DRAFT_DOWNSCALE_MIN * size.edge_pixels * 0.99


@pytest.mark.parametrize(
    ("width", "height", "scale"),
    [(4000, 3000, 1), (6000, 4000, 1), (8064, 6048, 2), (11_648, 8736, 2), (16_000, 12_000, 4)],
)
def test_only_very_large_photos_are_drafted(width: int, height: int, scale: int) -> None:
    """A 12-megapixel photo is decoded in full, and one of 48 megapixels at half its edge."""
    found = draft_scale(DEFAULT_SIZES, width=width, height=height, choose=first_pass_sizes)
    assert found == scale


@given(TABLES, st.integers(1, 400), st.integers(1, 400))
def test_any_plan_can_be_run(table: tuple[Size, ...], width: int, height: int) -> None:
    """Pillow accepts every box and edge of a plan, and returns the requested dimensions."""
    steps = plan_sizes(table, width=width, height=height)
    photo = Image.new("L", (width, height))
    made = list(run_plan(photo, steps, finish=lambda pixels: pixels))
    assert [pixels.size for _, pixels in made] == [(step.width, step.height) for step in steps]


def test_only_what_comes_from_the_photo_is_finished() -> None:
    """Color is converted once, after the first step."""
    finished = []
    photo = Image.new("RGB", (500, 400))
    steps = plan_sizes(DEFAULT_SIZES, width=500, height=400)

    def finish(pixels: Image.Image) -> Image.Image:
        finished.append(pixels.size)
        return pixels

    list(run_plan(photo, steps, finish=finish))
    assert finished == [(500, 400)]


def test_a_drafted_edge_that_does_not_divide_loses_no_fraction_of_a_pixel() -> None:
    """A half decode of a photo 8065 wide has 4033 columns, and the box ends in half of the last."""
    (step,) = plan_sizes((Size("k", 2048),), width=8065, height=6049, drafted=2)
    assert step.box == (0, 0, 4032.5, 3024.5)
    assert shrink(Image.new("L", (4033, 3025)), step).size == (2048, 1536)
