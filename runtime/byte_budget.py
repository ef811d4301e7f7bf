"""A budget of bytes a second: each use begins when the uses before it are paid."""

from collections.abc import Callable

# Unused budget older than this expires, which bounds the burst after an idle period.
BURST_SECONDS_MAX = 1.0


class ByteBudget:
    """The budget of one kind of work."""

    def __init__(
        self,
        bytes_per_second: int,
        *,
        clock: Callable[[], float],
        burst_seconds_max: float = BURST_SECONDS_MAX,
    ) -> None:
        self._burst_seconds_max = burst_seconds_max
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._free_at: float | None = None

    def delay_seconds(self) -> float:
        """Return the time until the next use may begin."""
        return max(self._begins_at() - self._clock(), 0.0)

    def use(self, size_bytes: int) -> float:
        """Use some of the budget; return the seconds to wait before the use begins."""
        begins_at = self._begins_at()
        self._free_at = begins_at + size_bytes / self._bytes_per_second
        return max(begins_at - self._clock(), 0.0)

    def _begins_at(self) -> float:
        earliest = self._clock() - self._burst_seconds_max
        return earliest if self._free_at is None else max(self._free_at, earliest)
