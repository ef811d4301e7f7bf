"""The fence: a node that was down serves no photo until it has received all tombstones.

A node that starts or that stalled can have files whose tombstones are only on other nodes. Its
read port returns 503 for a volume, and edges use the other mirror, until a storagemaster has
delivered the tombstones of that volume. It stays while storagemasters make progress. After a time
without any, or if an operator decides so, the fence falls: the other colo may never return. Photos
that were deleted without the node can then be read, which is an alert until the fence is lifted.
With `[deletes] strict`, a fence never falls.
"""

import logging
import math
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

from storagenode.protocol.errors import Conflict
from volumes.photo_path import VolumeId

log = logging.getLogger(__name__)

# After a stall of this length, storagemasters can have marked the node down and deleted without it.
STALL_SECONDS = 5.0
TICK_SECONDS = 1.0
NEVER = math.inf


class Fence:
    """The fenced volumes of one node. It never serves a volume that it is not a mirror of.

    With `NEVER` for `falls_after_seconds`, a fence does not fall.

    The serial changes with every raising of the fence. Tombstones that were collected for an
    earlier serial can be incomplete.
    """

    def __init__(
        self,
        volumes: Iterable[VolumeId],
        *,
        falls_after_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._volumes = frozenset(volumes)
        self._falls_after_seconds = falls_after_seconds
        self._clock = clock
        self._ticked_at = clock()
        self._fenced: set[VolumeId] = set()
        self._raise()

    def follow(self, volumes: Iterable[VolumeId]) -> None:
        """Guard these volumes from now on. A new one is fenced; a lost one is never served."""
        self.tick()
        followed = frozenset(volumes)
        if added := followed - self._volumes:
            # Tombstones that are being collected were not collected for the new volumes.
            self.serial = secrets.token_hex(8)
            self._progress_at = self._ticked_at
        self._volumes = followed
        self._fenced = (self._fenced & followed) | added
        self._lifted &= followed

    @property
    def fenced_volumes(self) -> tuple[VolumeId, ...]:
        """The volumes whose fence no storagemaster has lifted, also after it fell, sorted."""
        self.tick()
        return tuple(sorted(self._volumes - self._lifted))

    @property
    def fallen_volumes(self) -> tuple[VolumeId, ...]:
        """The volumes that the node serves although no storagemaster has lifted their fence."""
        return tuple(volume for volume in self.fenced_volumes if volume not in self._fenced)

    def status_fields(self) -> dict[str, Any]:
        """Return the fields of the node's status about the fence."""
        return {
            "fenced": self.fenced_volumes,
            "fallen": self.fallen_volumes,
            "fence_serial": self.serial,
        }

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
        self._progress_at = self._ticked_at
        return True

    def note_progress(self, *, serial: str) -> None:
        """Record that a storagemaster has come closer to lifting the fence with that serial."""
        self.tick()
        if serial == self.serial:
            self._progress_at = self._ticked_at

    def fall(self) -> int:
        """Serve all volumes, whatever was deleted without this node; return their number.

        Raises:
            Conflict: A fence of this node never falls.
        """
        if self._falls_after_seconds == NEVER:
            raise Conflict("with [deletes] strict, no fence falls")
        self.tick()
        return self._fall()

    def _fall(self) -> int:
        fallen = len(self._fenced)
        if fallen:
            log.error(
                "the fence of %s volumes fell before all tombstones were checked: photos that were "
                "deleted while this node was down can be read until a storagemaster lifts it",
                fallen,
            )
        self._fenced.clear()
        return fallen

    def tick(self) -> None:
        """Detect stalls and fences that must fall. Call this every second and before every read."""
        now, before = self._clock(), self._ticked_at
        self._ticked_at = now
        if now - before > STALL_SECONDS:
            log.warning(
                "process stalled for %.0f s; all volumes are fenced until tombstones are checked",
                now - before,
            )
            self._raise()
        elif self._fenced and now - self._progress_at > self._falls_after_seconds:
            self._fall()

    def _raise(self) -> None:
        self.serial = secrets.token_hex(8)
        self._fenced = set(self._volumes)
        self._lifted: set[VolumeId] = set()
        self._progress_at = self._ticked_at
