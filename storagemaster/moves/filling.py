"""Copies to the nodes that join volumes: a volume after the other, at the rate of each node.

Reconcile repairs the mirrors. Repairs go first, and no move delays them.
"""

import time
from collections.abc import Callable

from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.repair.reconcile import Reconciler
from volumes.photo_path import VolumeId

PASS_SECONDS = 0.5
# The pause of a volume whose joining nodes lacked nothing, until it is compared again.
FILLED_SECONDS = 5.0


class Filling:
    """Copies for the moves of the volumes that this storagemaster owns."""

    def __init__(
        self,
        mirrors: Mirrors,
        reconcile: Reconciler,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mirrors = mirrors
        self._reconcile = reconcile
        self._clock = clock
        self._due_at: dict[VolumeId, float] = {}

    async def fill_all(self) -> None:
        """Copy what joining nodes lack, until their budgets are used up or a repair begins."""
        joined = [
            number
            for number, volume in self._mirrors.cluster.volumes.items()
            if volume.joining and self._mirrors.owns(number)
        ]
        self._due_at = {number: self._due_at.get(number, 0.0) for number in joined}
        for number in sorted(joined, key=self._due_at.__getitem__):
            if self._reconcile.progress.volumes_left:
                return
            if self._due_at[number] > self._clock():
                continue
            report = await self._reconcile.fill(number)
            pause_seconds = 0.0 if report.done or report.throttled else FILLED_SECONDS
            self._due_at[number] = self._clock() + pause_seconds
