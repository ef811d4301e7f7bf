"""The rates at which joining nodes get the files of volumes."""

import time
from collections import deque
from collections.abc import Callable

from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.repair.volume_comparison import VolumeComparison
from volumes.cluster import NodeId
from volumes.photo_path import VolumeId

PASS_SECONDS = 5.0
WINDOW_SECONDS = 60.0

_Sample = tuple[float, int]


class MoveRates:
    """The bytes that joining nodes had in the last minute, as they reported."""

    def __init__(
        self,
        mirrors: Mirrors,
        comparison: VolumeComparison,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mirrors = mirrors
        self._comparison = comparison
        self._clock = clock
        self._samples: dict[tuple[VolumeId, NodeId], deque[_Sample]] = {}

    async def observe(self) -> None:
        """Request the bytes of all volumes that move from the nodes that join them."""
        joined: dict[NodeId, list[VolumeId]] = {}
        for number, volume in self._mirrors.cluster.volumes.items():
            for node in volume.joining:
                joined.setdefault(node, []).append(number)
        samples: dict[tuple[VolumeId, NodeId], deque[_Sample]] = {}
        for node, numbers in joined.items():
            for number, summary in (await self._comparison.summaries(node, numbers)).items():
                kept = self._samples.get((number, node), deque())
                kept.append((self._clock(), summary.bytes))
                while kept[-1][0] - kept[0][0] > WINDOW_SECONDS:
                    kept.popleft()
                samples[number, node] = kept
        self._samples = samples

    def bytes_per_second(self, number: VolumeId) -> float | None:
        """Return the rate of the slowest joining node, or None before the second look."""
        rates = [
            (kept[-1][1] - kept[0][1]) / (kept[-1][0] - kept[0][0])
            for (volume, _), kept in self._samples.items()
            if volume == number and kept[-1][0] > kept[0][0]
        ]
        return max(min(rates), 0.0) if rates else None
