"""Plan of the resize steps of a photo, and its execution.

The photo is decoded once, and each size is made from a larger size: most of the speed comes from
this. docs/performance.md compares the quality with one Lanczos step from the whole photo.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import Image

from imageworker.pixels.resampling import Box, resample
from volumes.sizes import Size, sizes_of

Choice = Callable[..., tuple[Size, ...]]
"""Choice of sizes from a table by `width` and `height`, such as `sizes_of`."""

# A source this many times larger than the size is as good as the whole photo. A smaller factor is
# used only if no larger size exists.
DOWNSCALE_MIN = 1.5
# A JPEG decoded at 1/2, 1/4, or 1/8 must still be this many times larger than any of its sizes.
DRAFT_DOWNSCALE_MIN = 1.9
DRAFT_SCALES = (8, 4, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One size, made from a box of `source`: an earlier step's letter, or None for the photo."""

    size: Size
    source: str | None
    box: Box
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Pixels that a step can start from, and their scale relative to the photo's own pixels."""

    letter: str | None
    width: float
    height: float
    across: float
    down: float


def draft_scale(
    sizes: tuple[Size, ...], *, width: int, height: int, choose: Choice = sizes_of
) -> int:
    """Return the largest factor that a JPEG decoder can shrink by: 1, 2, 4, or 8."""
    wanted = choose(sizes, width=width, height=height)
    if not wanted:
        return 1
    least = min(_shrinking(size, width=width, height=height) for size in wanted)
    return next((scale for scale in DRAFT_SCALES if least / scale >= DRAFT_DOWNSCALE_MIN), 1)


def plan_sizes(
    sizes: tuple[Size, ...],
    *,
    width: int,
    height: int,
    drafted: int = 1,
    choose: Choice = sizes_of,
) -> tuple[Step, ...]:
    """Return the steps that make every size of a photo of these dimensions, largest first.

    Args:
        sizes: The size table.
        width: Width of the photo in pixels, as stored.
        height: Height of the photo in pixels, as stored.
        drafted: Shrink factor that the decoder has already applied to the pixels.
        choose: Choice of the sizes to make from the table.
    """
    photo = _Source(
        letter=None,
        width=width / drafted,
        height=height / drafted,
        across=1 / drafted,
        down=1 / drafted,
    )
    wanted = choose(sizes, width=width, height=height)
    made: list[_Source] = []
    steps = []
    for size in sorted(wanted, key=lambda each: (each.square, -each.edge_pixels)):
        step = _plan_step(size, photo, made, width=width, height=height)
        steps.append(step)
        if not size.square:
            made.append(
                _Source(
                    letter=size.letter,
                    width=step.width,
                    height=step.height,
                    across=step.width / width,
                    down=step.height / height,
                )
            )
    return tuple(steps)


def run_plan(
    photo: Image.Image, steps: tuple[Step, ...], *, finish: Callable[[Image.Image], Image.Image]
) -> Iterator[tuple[Step, Image.Image]]:
    """Yield each step with its pixels, in plan order; drop pixels that no later step needs.

    `finish` is applied to the pixels made from the photo itself. Converting color after the first
    step costs a quarter of converting the whole photo.
    """
    made: dict[str | None, Image.Image] = {None: photo}
    for at, step in enumerate(steps):
        shrunk = shrink(made[step.source], step)
        made[step.size.letter] = finish(shrunk) if step.source is None else shrunk
        yield step, made[step.size.letter]
        needed = {later.source for later in steps[at + 1 :]}
        for letter in made.keys() - needed:
            del made[letter]


def shrink(source: Image.Image, step: Step) -> Image.Image:
    """Make the size of a step from the pixels of its source, which may be that size already."""
    if source.size == (step.width, step.height) and step.box == (0, 0, *source.size):
        return source
    return resample(source, step.box, width=step.width, height=step.height)


def _plan_step(size: Size, photo: _Source, made: list[_Source], *, width: int, height: int) -> Step:
    crop_width, crop_height = _crop(size, width=width, height=height)
    target_width, target_height = size.dimensions_of(width, height)

    def shrinking_from(source: _Source) -> float:
        return min(
            crop_width * source.across / target_width, crop_height * source.down / target_height
        )

    source = _choose([(each, shrinking_from(each)) for each in made], photo)
    return Step(
        size=size,
        source=source.letter,
        box=_central_box(source, crop_width * source.across, crop_height * source.down),
        width=target_width,
        height=target_height,
    )


def _choose(made: list[tuple[_Source, float]], photo: _Source) -> _Source:
    """Return the smallest source that is large enough, or the largest usable one, or the photo."""
    # `made` is ordered from largest to smallest.
    large_enough = [source for source, shrinking in made if shrinking >= DOWNSCALE_MIN]
    if large_enough:
        return large_enough[-1]
    usable = [source for source, shrinking in made if shrinking > 1 - 1e-9]
    return usable[0] if usable else photo


def _crop(size: Size, *, width: int, height: int) -> tuple[int, int]:
    """Return the part of the photo that a size shows, in its pixels: all, or the central square."""
    side = min(width, height)
    return (side, side) if size.square else (width, height)


def _central_box(source: _Source, width: float, height: float) -> Box:
    left, top = max(0.0, (source.width - width) / 2), max(0.0, (source.height - height) / 2)
    return left, top, min(source.width, left + width), min(source.height, top + height)


def _shrinking(size: Size, *, width: int, height: int) -> float:
    crop_width, crop_height = _crop(size, width=width, height=height)
    target_width, target_height = size.dimensions_of(width, height)
    return min(crop_width / target_width, crop_height / target_height)
