"""Difference of another machine's clock, from the Date header of a response."""

from email.utils import parsedate_to_datetime


def clock_difference_seconds(
    date: str, *, sent_seconds: float, received_seconds: float
) -> float | None:
    """Return how far a server's clock is ahead of this one at least, negative if it is behind.

    The server wrote `date`, which has whole seconds, at some moment between the two times of this
    machine. The result is 0 if equal clocks could have produced that date, so a slow response
    never looks like a wrong clock. It is None if `date` is not a date.

    >>> date = "Thu, 01 Jan 1970 00:01:40 GMT"
    >>> clock_difference_seconds(date, sent_seconds=100.2, received_seconds=100.3)
    0.0
    >>> clock_difference_seconds(date, sent_seconds=90.0, received_seconds=97.5)
    2.5
    """
    try:
        written = parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
    if written > received_seconds:
        return written - received_seconds
    return min(0.0, written + 1 - sent_seconds)
