"""States of a volume, and the operations that each state allows."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class _Abilities:
    accepts_new_photos: bool
    accepts_sizes: bool


class VolumeState(Enum):
    """State of a volume in the volume map. Reads, repair, and deletes work in every state."""

    NEW = "new"
    """Until every edge knows it, when it opens: a URL must not be ahead of an edge."""
    OPEN = "open"
    CLOSED = "closed"

    @property
    def accepts_new_photos(self) -> bool:
        """True if a storagemaster can place new photos here."""
        return _TABLE[self].accepts_new_photos

    @property
    def accepts_sizes(self) -> bool:
        """True if sizes of existing photos can be added."""
        return _TABLE[self].accepts_sizes


_TABLE = {
    VolumeState.NEW: _Abilities(accepts_new_photos=False, accepts_sizes=True),
    VolumeState.OPEN: _Abilities(accepts_new_photos=True, accepts_sizes=True),
    VolumeState.CLOSED: _Abilities(accepts_new_photos=False, accepts_sizes=True),
}
