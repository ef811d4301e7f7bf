"""Days until the disk of a node takes no new photos, from its free space over the last day."""

from collections import defaultdict, deque

from storagenode.protocol.wire import NodeStatus
from volumes.cluster import NodeId

SAMPLE_SECONDS = 600.0
WINDOW_SECONDS = 24 * 3600.0
# The rate of a shorter time is that of one import, or of a night.
SPAN_SECONDS_MIN = 3600.0
DAY_SECONDS = 24 * 3600.0
DAYS_MAX = 9_999.0


class SpaceTrend:
    """Free space of each node in one storagemaster's memory; a restart forgets it."""

    def __init__(self) -> None:
        self._samples: dict[NodeId, deque[tuple[float, int]]] = defaultdict(deque)

    def record(self, node: NodeId, now_seconds: float, status: NodeStatus) -> None:
        """Add the bytes that new photos can still take, if the last sample is old enough."""
        samples = self._samples[node]
        if samples and now_seconds - samples[-1][0] < SAMPLE_SECONDS:
            return
        samples.append((now_seconds, status.free_bytes - 2 * status.reserve_bytes))
        while now_seconds - samples[0][0] > WINDOW_SECONDS:
            samples.popleft()

    def days_to_full(self, node: NodeId) -> float | None:
        """Return the days by the slope of the samples, or None if it is unknown.

        A disk that does not fill has the greatest value.
        """
        samples = self._samples[node]
        if not samples or samples[-1][0] - samples[0][0] < SPAN_SECONDS_MIN:
            return None
        (first, before), (last, left) = samples[0], samples[-1]
        bytes_per_day = (before - left) / (last - first) * DAY_SECONDS
        if left <= 0:
            return 0.0
        return min(DAYS_MAX, left / bytes_per_day) if bytes_per_day > 0 else DAYS_MAX
