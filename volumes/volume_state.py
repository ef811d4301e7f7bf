"""What may be done with a volume, as a table of states and abilities, read only by question."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class _Abilities:
    accepts_new_photos: bool
    accepts_sizes: bool


class VolumeState(Enum):
    """The state of a volume in the volume map. Every state is served, repaired and deletes."""

    OPEN = "open"
    CLOSED = "closed"

    @property
    def accepts_new_photos(self) -> bool:
        """Whether a storagemaster may place new photos here."""
        return _TABLE[self].accepts_new_photos

    @property
    def accepts_sizes(self) -> bool:
        """Whether sizes of photos that are here may still be added."""
        return _TABLE[self].accepts_sizes


_TABLE = {
    VolumeState.OPEN: _Abilities(accepts_new_photos=True, accepts_sizes=True),
    VolumeState.CLOSED: _Abilities(accepts_new_photos=False, accepts_sizes=True),
}
