"""The size table: which sizes a photo has, how large each is, and which permission opens it.

The letters and edges are Flickr's, so that anyone who knows those URLs can read ours.
"""

from dataclasses import dataclass
from enum import StrEnum

WEB_EDGE_MAX = 1024
ORIGINAL_LETTER = "o"
EDGE_PIXELS_MAX = 16_383
"""The largest edge a size may have: what a WebP can be, the least of the formats."""


class SizeClass(StrEnum):
    """What one permission opens: every size of its class, and none of another."""

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
        """The class this size is opened by."""
        return SizeClass.WEB if self.edge_pixels <= WEB_EDGE_MAX else SizeClass.LARGE

    def is_smaller_than(self, width: int, height: int) -> bool:
        """Whether a photo of these dimensions gets this size.

        A square is cut from any photo that fills it; the others are made only of a larger one.
        """
        if self.square:
            return min(width, height) >= self.edge_pixels
        return max(width, height) > self.edge_pixels

    def dimensions_of(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of this size of a photo with the given dimensions.

        >>> Size("m", 240).dimensions_of(4000, 3000)
        (240, 180)
        """
        if self.square:
            return self.edge_pixels, self.edge_pixels
        longest = max(width, height)
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
)


def sizes_of(table: tuple[Size, ...], *, width: int, height: int) -> tuple[Size, ...]:
    """The rows of the table that a photo of these dimensions gets, in table order."""
    return tuple(size for size in table if size.is_smaller_than(width, height))


def size_classes(table: tuple[Size, ...]) -> dict[str, SizeClass]:
    """The class of every letter that may stand in a photo path, the original's included."""
    return {size.letter: size.size_class for size in table} | {ORIGINAL_LETTER: SizeClass.ORIGINAL}
