"""Durations of the last minutes: from counts that grow, over the window, and after a restart."""

import pytest

from storagemaster.operations.recent_durations import WINDOW_SECONDS, RecentDurations


def p99_of(*samples):
    """Return the 99 % after samples of (second, counts); the bounds are 10 and 100 ms."""
    durations = RecentDurations((0.01, 0.1))
    for second, counts in samples:
        durations.record("east-1", second, counts)
    return durations.p99_seconds("east-1")


def test_only_what_happened_since_the_first_sample_counts():
    """A hundred slow fsyncs before the window do not show."""
    assert p99_of((0, (0, 100, 0)), (10, (100, 100, 0))) == pytest.approx(0.0099)
    assert p99_of((0, (0, 0, 0)), (10, (98, 2, 0))) == pytest.approx(0.055)


def test_above_all_bounds_it_is_the_last_bound():
    """Nothing more is known."""
    assert p99_of((0, (0, 0, 0)), (10, (0, 0, 5))) == 0.1


@pytest.mark.parametrize(
    "samples",
    [
        (),
        ((0, (5, 0, 0)),),
        ((0, (5, 0, 0)), (10, (5, 0, 0))),
        ((0, (5, 0, 0)), (10, (2, 0, 0))),
        ((0, ()), (10, ())),
    ],
)
def test_without_durations_it_is_unknown(samples):
    """No sample, one, none since, a source that restarted, and a bucket."""
    assert p99_of(*samples) is None


def test_old_durations_leave_the_window():
    """Slow ones of more than five minutes ago are forgotten, however many samples came between."""
    slow = [(second, (0, 9, 0)) for second in (0, 1)]
    later = [(2 + second, (second, 9, 0)) for second in range(int(WINDOW_SECONDS) + 20)]
    assert p99_of((0, (0, 0, 0)), *slow, *later) < 0.01
