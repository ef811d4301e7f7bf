"""Histograms as plain numbers, which become Prometheus metrics when they are scraped."""

import threading
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """Observed durations, counted by their upper bounds. Thread-safe."""

    def __init__(self, bounds_seconds: Sequence[float]) -> None:
        self.bounds_seconds = tuple(bounds_seconds)
        self._counts = [0] * (len(self.bounds_seconds) + 1)
        self._sum_seconds = 0.0
        self._lock = threading.Lock()

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        position = bisect_left(self.bounds_seconds, seconds)
        with self._lock:
            self._counts[position] += 1
            self._sum_seconds += seconds

    def snapshot(self) -> tuple[list[int], float]:
        """Return the counts, the last of them above all bounds, and the sum in seconds."""
        with self._lock:
            return list(self._counts), self._sum_seconds


def quantile_seconds(
    bounds_seconds: Sequence[float], counts: Sequence[int], share: float
) -> float | None:
    """Return the duration that a share of all durations does not exceed, or None without any.

    Within a bucket it is estimated, as by Prometheus' `histogram_quantile`. Above all bounds it is
    the last bound.

    >>> quantile_seconds((0.5, 1.0), (90, 10, 0), 0.95)
    0.75
    """
    rank = share * sum(counts)
    if not rank:
        return None
    below, low = 0, 0.0
    for bound, count in zip(bounds_seconds, counts, strict=False):
        if count and below + count >= rank:
            return low + (bound - low) * (rank - below) / count
        below, low = below + count, bound
    return bounds_seconds[-1]


def cumulative_buckets(
    bounds_seconds: Sequence[float], counts: Sequence[int]
) -> list[tuple[str, float]]:
    """Return the buckets of Prometheus: each counts everything up to its bound.

    >>> cumulative_buckets((0.5, 1.0), (3, 0, 2))
    [('0.5', 3), ('1.0', 3), ('+Inf', 5)]
    """
    names = [*map(str, bounds_seconds), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True))
