"""The fence: a node that was away sends no photo before it has heard which ones are gone.

Whoever was away (it starts, or it stood still) may have files whose tombstones are on other nodes
only. Until a storagemaster has brought those, volume by volume, the read port says 503 and edges
ask the other mirror. A fence that nobody lifts falls by itself, because photos that could be
read again must not wait for a colo that may never return.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterable

from volumes.photo_path import VolumeId

log = logging.getLogger(__name__)

# A process that did nothing for so long may have been taken for dead, and deletes went past it.
STALL_SECONDS = 5.0
# Storagemasters look once a second, and need less than another. Longer than this, there are none,
# or the other mirror is away.
FENCE_SECONDS_MAX = 10.0
TICK_SECONDS = 1.0


class Fence:
    """Which volumes of one node are held back. It knows only that it was away, not what it missed.

    The serial is that of the last raising: whoever heard of tombstones before it, heard too early.
    """

    def __init__(
        self, volumes: Iterable[VolumeId], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._volumes = frozenset(volumes)
        self._clock = clock
        self._beat_at = clock()
        self._raise()

    @property
    def fenced_volumes(self) -> tuple[VolumeId, ...]:
        """The volumes that are held back."""
        self.tick()
        return tuple(sorted(self._held))

    def is_fenced(self, volume: VolumeId) -> bool:
        """Whether photos of the volume must not be sent now."""
        self.tick()
        return volume in self._held

    def lift(self, volume: VolumeId, *, serial: str) -> bool:
        """Send the volume's photos again, unless the fence was raised after that serial."""
        self.tick()
        if serial != self.serial:
            return False
        self._held.discard(volume)
        return True

    def tick(self) -> None:
        """Notice how much time has passed: called every second, and at every read."""
        now, before = self._clock(), self._beat_at
        self._beat_at = now
        if now - before > STALL_SECONDS:
            log.warning("stood still for %.0f s: photos wait for tombstones", now - before)
            self._raise()
        elif self._held and now - self._raised_at > FENCE_SECONDS_MAX:
            log.warning("nobody could tell what was deleted: %s volumes are sent", len(self._held))
            self._held.clear()

    def _raise(self) -> None:
        self.serial = secrets.token_hex(8)
        self._held = set(self._volumes)
        self._raised_at = self._beat_at
