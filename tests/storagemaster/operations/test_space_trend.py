"""Days to full: the slope of a node's free space over the last day, or unknown."""

from dataclasses import replace

import pytest

from storagemaster.operations.space_trend import DAYS_MAX, SpaceTrend
from storagenode.protocol.wire import NodeStatus

HOUR_SECONDS = 3600
GIGABYTE = 1_000_000_000
STATUS = NodeStatus(
    node="east-1",
    uuid="",
    colo="east",
    boot="",
    volumes=(),
    free_bytes=0,
    total_bytes=1000 * GIGABYTE,
    accepts_new_photos=True,
    suspect_reason="",
    hints=0,
    reserve_bytes=10 * GIGABYTE,
)


def days(free_by_hour):
    """Return the days to full after these gigabytes of free space at these hours."""
    trend = SpaceTrend()
    for hour, gigabytes in free_by_hour.items():
        status = replace(STATUS, free_bytes=int(gigabytes * GIGABYTE))
        trend.record("east-1", hour * HOUR_SECONDS, status)
    return trend.days_to_full("east-1")


@pytest.mark.parametrize(
    ("free_by_hour", "expected"),
    [
        ({0: 130, 12: 125, 24: 120}, 10),
        ({0: 500, 24: 130, 36: 125, 48: 120}, 10),
        ({0: 120, 24: 130}, DAYS_MAX),
        ({0: 120, 24: 120}, DAYS_MAX),
        ({0: 30, 2: 15}, 0),
        ({0: 120, 0.5: 119}, None),
        ({0: 120}, None),
        ({}, None),
    ],
)
def test_days_to_full(free_by_hour, expected):
    """New photos stop at twice the reserve; only the last day counts, and at least an hour."""
    assert days(free_by_hour) == expected
