"""Lists of volumes as text: `1-8,12`."""

import re
from collections.abc import Iterable

from volumes.photo_path import VOLUME_MAX

_RANGE = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?")


def parse_volume_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Return the first and last volume of each range, in order.

    Raises:
        ValueError: The text is not such a list.

    >>> parse_volume_ranges("12,1-8")
    ((1, 8), (12, 12))
    """
    matches = [_RANGE.fullmatch(part.strip()) for part in text.split(",")]
    ranges = [(int(m[1]), int(m[2] or m[1])) for m in matches if m]
    if len(ranges) < len(matches) or not all(a <= b <= VOLUME_MAX for a, b in ranges):
        raise ValueError(f'must be as in "7" or "1-8,12", up to {VOLUME_MAX}; is {text!r}')
    return tuple(sorted(ranges))


def ranges_of(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Return numbers in ascending order as ranges, each with its first and last number.

    >>> ranges_of([1, 2, 3, 20])
    ((1, 3), (20, 20))
    """
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(ranges)


def render_volume_ranges(ranges: Iterable[tuple[int, int]]) -> str:
    """Return the text of ranges.

    >>> render_volume_ranges([(1, 8), (12, 12)])
    '1-8,12'
    """
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)
