"""Clock differences are the least that a date of whole seconds and a slow response leave."""

import pytest

from storagemaster.operations.clock_difference import clock_difference_seconds

DATE = "Thu, 01 Jan 1970 00:01:40 GMT"
"""The second from 100 s to 101 s."""


@pytest.mark.parametrize(
    ("sent", "received", "seconds"),
    [
        (100.0, 100.1, 0.0),
        (100.99, 101.5, 0.0),
        (95.0, 105.0, 0.0),
        (97.0, 97.5, 2.5),
        (97.0, 99.5, 0.5),
        (103.5, 103.6, -2.5),
        (103.5, 109.0, -2.5),
        (101.0, 101.1, 0.0),
    ],
)
def test_the_difference_is_the_least_that_explains_the_date(sent, received, seconds):
    """Equal clocks are never reported as different, however slow the response is."""
    found = clock_difference_seconds(DATE, sent_seconds=sent, received_seconds=received)
    assert found == pytest.approx(seconds)


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Jan 1970 00:00:00 GMT"])
def test_a_malformed_date_gives_no_difference(date):
    """A response without a date shows no clock."""
    assert clock_difference_seconds(date, sent_seconds=1, received_seconds=2) is None
