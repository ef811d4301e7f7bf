"""The cycle in which one storagemaster compares all volumes.

It compares its own volumes in each cycle, and the volumes of other owners less often: it has to
know their sizes, and repairs what their owners leave unequal.
"""

import math
from collections.abc import Callable

from storagemaster.mirrors.mirrors import Mirrors
from volumes.photo_path import VolumeId

# Time to compare every volume once, whatever their number.
CYCLE_SECONDS = 15.0
# Passes of a cycle with many volumes. Each pass sends one request to each node that it concerns.
PASSES_PER_CYCLE = 15
# The comparisons of other owners' volumes are spread over this many cycles.
CYCLES_OF_OTHERS = 4


class Cycle:
    """The volumes that are left of the present cycle, each in its turn."""

    def __init__(self, mirrors: Mirrors, *, shuffle: Callable[[list[VolumeId]], None]) -> None:
        self._mirrors = mirrors
        self._shuffle = shuffle
        self._left: list[VolumeId] = []
        self._number = 0

    @property
    def volumes_per_pass(self) -> int:
        """The number of volumes that take their turn in one pass."""
        return math.ceil(len(self._mirrors.cluster.volumes) / PASSES_PER_CYCLE)

    @property
    def pause_seconds(self) -> float:
        """The pause between two passes, so that all volumes take one cycle."""
        return CYCLE_SECONDS * self.volumes_per_pass / len(self._mirrors.cluster.volumes)

    def next(self) -> list[VolumeId]:
        """Return the volumes to compare in the next pass."""
        if not self._left:
            # Each storagemaster uses its own order, so that the nodes have even work.
            self._left = list(self._mirrors.cluster.volumes)
            self._shuffle(self._left)
            self._number += 1
        some = self._left[-self.volumes_per_pass :]
        del self._left[-len(some) :]
        return list(filter(self._is_due, some))

    def _is_due(self, volume: VolumeId) -> bool:
        return self._mirrors.owns(volume) or (volume + self._number) % CYCLES_OF_OTHERS == 0
