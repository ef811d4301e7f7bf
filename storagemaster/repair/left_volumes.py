"""The unequal volumes that a storagemaster leaves to their owners, and compares only."""

import itertools
from collections.abc import Callable, Collection

from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.settling import Settling
from storagemaster.repair.volume_comparison import VolumeComparison
from volumes.photo_path import VolumeId

# A volume that its owner has left unequal for this long is repaired by every storagemaster.
LEFT_SECONDS_MAX = 30.0


class LeftVolumes:
    """The volumes that others repair, with the second in which each was seen to be unequal."""

    def __init__(
        self,
        mirrors: Mirrors,
        comparison: VolumeComparison,
        settling: Settling,
        *,
        now_seconds: Callable[[], float],
    ) -> None:
        self._mirrors = mirrors
        self._comparison = comparison
        self._settling = settling
        self._now_seconds = now_seconds
        self._since: dict[VolumeId, float] = {}

    def some(self, count: int, *, without: Collection[VolumeId]) -> list[VolumeId]:
        """Return the volumes to compare again next, without others."""
        return list(itertools.islice((each for each in self._since if each not in without), count))

    def forget(self, volume: VolumeId) -> None:
        """Forget a volume, because it has become equal."""
        self._since.pop(volume, None)

    def is_left(self, volume: VolumeId) -> bool:
        """Return True if another storagemaster repairs a volume, and has not had long for it."""
        if self._mirrors.owns(volume):
            self.forget(volume)
            return False
        now = self._now_seconds()
        since = self._since.pop(volume, now)
        self._since[volume] = since  # at the end, so that all take turns
        return now - since < LEFT_SECONDS_MAX

    async def observe(self, volume: VolumeId) -> None:
        """Compare a volume that another storagemaster repairs, and record the result."""
        begun = self._settling.begin()
        mirrors = self._mirrors.volume(volume).mirrors
        cold_tier = self._mirrors.fleet.cold_tier_of(volume)
        unequal, known = await self._comparison.unequal_shards(volume, mirrors, cold_tier)
        if not unequal:
            self.forget(volume)
        self._settling.record_comparison(
            self._mirrors.volume(volume),
            begun=begun,
            unreachable=[node for node in mirrors if node not in known],
            failed_steps=len(unequal),
        )
