"""Durations of the last minutes, from counts that only grow, such as the counts of fsyncs."""

from collections import defaultdict, deque
from collections.abc import Sequence

from runtime.histogram import quantile_seconds

SAMPLE_SECONDS = 10.0
WINDOW_SECONDS = 300.0
SHARE = 0.99


class RecentDurations:
    """Counts of durations by their source, in one storagemaster's memory."""

    def __init__(self, bounds_seconds: Sequence[float]) -> None:
        self._bounds_seconds = bounds_seconds
        self._samples: dict[str, deque[tuple[float, Sequence[int]]]] = defaultdict(deque)

    def record(self, source: str, now_seconds: float, counts: Sequence[int]) -> None:
        """Add the counts since the start of a source, the last of them above all bounds."""
        samples = self._samples[source]
        if samples and sum(counts) < sum(samples[-1][1]):
            samples.clear()  # the source has restarted
        # The latest sample moves until it is far enough from the one before it.
        if len(samples) > 1 and samples[-1][0] - samples[-2][0] < SAMPLE_SECONDS:
            samples.pop()
        samples.append((now_seconds, tuple(counts)))
        while now_seconds - samples[0][0] > WINDOW_SECONDS:
            samples.popleft()

    def p99_seconds(self, source: str) -> float | None:
        """Return the time that 99 % took at most in the last minutes, or None without any."""
        samples = self._samples[source]
        if len(samples) < 2:
            return None
        (_, before), (_, after) = samples[0], samples[-1]
        counts = [later - earlier for earlier, later in zip(before, after, strict=True)]
        return quantile_seconds(self._bounds_seconds, counts, SHARE)
