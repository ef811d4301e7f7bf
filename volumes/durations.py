"""Durations as text: 90s, 15m, 1h, 30d, 2w."""

import re
from datetime import timedelta

_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """Parse a duration.

    >>> parse_duration("15m")
    datetime.timedelta(seconds=900)

    Raises:
        ValueError: The text is not a duration; the message is for the user.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 90s, 15m, 1h, 30d, or 2w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
