"""Size table: the sizes of a photo, and the class of each, which a permission opens.

The letters and edges are the ones of Flickr, whose URLs many developers know. The largest size is
the *full size*: every photo has it, at its own dimensions if it is not larger, so that no page has
to show an original.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

WEB_EDGE_MAX = 1024
ORIGINAL_LETTER = "o"
EDGE_PIXELS_MAX = 16_383
"""Largest edge of a size: the limit of WebP, the lowest of the formats."""


SECOND_PASS_ABOVE_PIXELS = 2048
"""A full size with a longer edge takes longer than all other sizes: the second pass makes it."""


class SizeClass(StrEnum):
    """Group of sizes. One permission opens every size of its class, and no other."""

    WEB = "web"
    LARGE = "large"
    ORIGINAL = "original"


@dataclass(frozen=True, slots=True)
class Size:
    """One row of the size table.

    `edge_pixels` is the longest edge of the result or, for a square, both edges.
    """

    letter: str
    edge_pixels: int
    square: bool = False

    @property
    def size_class(self) -> SizeClass:
        """Class of this size."""
        return SizeClass.WEB if self.edge_pixels <= WEB_EDGE_MAX else SizeClass.LARGE

    def is_smaller_than(self, width: int, height: int) -> bool:
        """Return True if a photo of these dimensions fills a square or exceeds another size."""
        if self.square:
            return min(width, height) >= self.edge_pixels
        return max(width, height) > self.edge_pixels

    def dimensions_of(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height of this size of a photo with the given dimensions.

        Nothing is enlarged.

        >>> Size("m", 240).dimensions_of(4000, 3000)
        (240, 180)
        """
        if self.square:
            return self.edge_pixels, self.edge_pixels
        longest = max(width, height)
        if longest <= self.edge_pixels:
            return width, height
        return (
            max(1, round(width * self.edge_pixels / longest)),
            max(1, round(height * self.edge_pixels / longest)),
        )


DEFAULT_SIZES = (
    Size("s", 75, square=True),
    Size("q", 150, square=True),
    Size("t", 100),
    Size("m", 240),
    Size("n", 320),
    Size("w", 400),
    Size("d", 500),
    Size("z", 640),
    Size("c", 800),
    Size("b", 1024),
    Size("h", 1600),
    Size("k", 2048),
    Size("x", 6000),
)


def full_size(table: Iterable[Size]) -> Size | None:
    """Return the largest size that is not a square."""
    return max((each for each in table if not each.square), key=_edge_pixels, default=None)


def _edge_pixels(size: Size) -> int:
    return size.edge_pixels


def sizes_of(table: tuple[Size, ...], *, width: int, height: int) -> tuple[Size, ...]:
    """Return the sizes of a photo with these dimensions, in table order.

    They are all smaller sizes, and the full size.
    """
    full = full_size(table)
    return tuple(size for size in table if size is full or size.is_smaller_than(width, height))


def second_pass_size(table: tuple[Size, ...], *, width: int, height: int) -> Size | None:
    """Return the full size if the second pass makes it for a photo of these dimensions."""
    full = full_size(table)
    if full is None or max(full.dimensions_of(width, height)) <= SECOND_PASS_ABOVE_PIXELS:
        return None
    return full


def first_pass_sizes(table: tuple[Size, ...], *, width: int, height: int) -> tuple[Size, ...]:
    """Return the sizes that a photo of these dimensions has as soon as it is ready."""
    later = second_pass_size(table, width=width, height=height)
    return tuple(size for size in sizes_of(table, width=width, height=height) if size is not later)


def second_pass_letter(table: Iterable[Size]) -> str:
    """Return the letter of the full size if large photos get it in the second pass, or ""."""
    full = full_size(table)
    return full.letter if full and full.edge_pixels > SECOND_PASS_ABOVE_PIXELS else ""


def size_classes(table: tuple[Size, ...]) -> dict[str, SizeClass]:
    """Return the class of every size letter, including the original's."""
    return {size.letter: size.size_class for size in table} | {ORIGINAL_LETTER: SizeClass.ORIGINAL}
