"""The fence: a node that was down serves no photo until it has received all tombstones.

A node that starts or that stalled can have files whose tombstones are only on other nodes. Its
read port returns 503 for a volume, and edges use the other mirror, until a storagemaster has
delivered the tombstones of that volume. A fence times out, because photos must stay readable when
the other colo never returns.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterable

from volumes.photo_path import VolumeId

log = logging.getLogger(__name__)

# After a stall of this length, storagemasters can have marked the node down and deleted without it.
STALL_SECONDS = 5.0
# Storagemasters poll every second and lift a fence in less than another. After this time, no
# storagemaster runs or the other mirror is down.
FENCE_SECONDS_MAX = 10.0
TICK_SECONDS = 1.0


class Fence:
    """The fenced volumes of one node. It never serves a volume that it is not a mirror of.

    The serial changes with every raising of the fence. Tombstones that were collected for an
    earlier serial can be incomplete.
    """

    def __init__(
        self, volumes: Iterable[VolumeId], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._volumes = frozenset(volumes)
        self._clock = clock
        self._ticked_at = clock()
        self._raise()

    @property
    def fenced_volumes(self) -> tuple[VolumeId, ...]:
        """The volumes whose fence no storagemaster has lifted, also after its time-out, sorted."""
        self.tick()
        return tuple(sorted(self._volumes - self._lifted))

    def is_fenced(self, volume: VolumeId) -> bool:
        """Return True if the node must not serve photos of the volume now."""
        self.tick()
        return volume not in self._volumes or volume in self._fenced

    def knows_absence(self, volume: VolumeId) -> bool:
        """Return True if a file that the node lacks does not exist, as far as the node can know.

        A mirror that no storagemaster has compared may be new, and its files elsewhere.
        """
        return volume in self._lifted

    def lift(self, volume: VolumeId, *, serial: str) -> bool:
        """Lift the fence of a volume; return False if it was raised after that serial."""
        self.tick()
        if serial != self.serial or volume not in self._volumes:
            return False
        self._fenced.discard(volume)
        self._lifted.add(volume)
        return True

    def tick(self) -> None:
        """Detect stalls and time-outs. Call this every second and before every read."""
        now, before = self._clock(), self._ticked_at
        self._ticked_at = now
        if now - before > STALL_SECONDS:
            log.warning(
                "process stalled for %.0f s; all volumes are fenced until tombstones are checked",
                now - before,
            )
            self._raise()
        elif self._fenced and now - self._raised_at > FENCE_SECONDS_MAX:
            log.warning(
                "fence timed out before all tombstones were checked; serving %s volumes again",
                len(self._fenced),
            )
            self._fenced.clear()

    def _raise(self) -> None:
        self.serial = secrets.token_hex(8)
        self._fenced = set(self._volumes)
        self._lifted: set[VolumeId] = set()
        self._raised_at = self._ticked_at
