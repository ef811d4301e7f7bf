"""Progress of each volume since the last fault that touched one of its mirrors.

A volume is settled when two passes have followed the fault: a comparison that left its mirrors
equal, then a sweep, whose photos without sizes have been made since. Moments are counted by the
fleet, because only their order matters.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from runtime.quantities import quantity
from storagemaster.mirrors.fleet import Fleet
from volumes.cluster import NodeId, Volume
from volumes.photo_path import Variant, VolumeId


@dataclass(frozen=True, slots=True)
class _Comparison:
    begun: int
    ended: int
    unreachable: tuple[NodeId, ...] = ()
    failed_steps: int = 0

    @property
    def is_complete(self) -> bool:
        return not self.unreachable and not self.failed_steps


@dataclass(frozen=True, slots=True)
class _Sweep:
    begun: int
    unmade: frozenset[Variant]
    """The photos without sizes of the first sweep after the comparison that still have none."""


class Settling:
    """The comparisons and sweeps of all volumes by this storagemaster."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._last: dict[VolumeId, _Comparison] = {}
        self._complete: dict[VolumeId, _Comparison] = {}
        """The first complete comparison after the last fault."""
        self._sweeps: dict[VolumeId, _Sweep] = {}
        self.unswept: set[VolumeId] = set()
        """The volumes that became equal after a fault and that no sweep has followed."""

    def begin(self) -> int:
        """Return the moment at which a comparison or a sweep begins."""
        return self._fleet.moment()

    def record_comparison(
        self,
        volume: Volume,
        *,
        begun: int,
        unreachable: Collection[NodeId] = (),
        failed_steps: int = 0,
    ) -> None:
        """Record a comparison. `failed_steps` counts what another comparison has to repair."""
        found = _Comparison(begun, self._fleet.moment(), tuple(unreachable), failed_steps)
        self._last[volume.number] = found
        if found.is_complete and not self.is_compared(volume):
            self._complete[volume.number] = found
            self.unswept.add(volume.number)

    def record_sweep(self, volume: Volume, *, begun: int, pending: Iterable[Variant]) -> None:
        """Record a sweep of a whole volume, and the originals that it found without sizes."""
        unmade = frozenset(pending)
        if self._is_swept_once(volume):
            unmade &= self._sweeps[volume.number].unmade
        self._sweeps[volume.number] = _Sweep(begun, unmade)
        if self._is_swept_once(volume):
            self.unswept.discard(volume.number)

    def is_compared(self, volume: Volume) -> bool:
        """Return True if a comparison since the last fault left the mirrors equal."""
        found = self._complete.get(volume.number)
        return found is not None and found.begun > self._fleet.last_fault_of(volume.mirrors)

    def needs_comparison(self, volume: Volume) -> bool:
        """Return True if no comparison of the volume has begun since the last fault."""
        last = self._last.get(volume.number)
        return last is None or last.begun < self._fleet.last_fault_of(volume.mirrors)

    def waits_for(self, volume: Volume) -> str:
        """Return what a volume waits for, or an empty text if it is settled."""
        return "" if self._is_settled(volume) else self._waits_for(volume)

    def _is_settled(self, volume: Volume) -> bool:
        """Return True for a settled volume with little work: a status has perhaps 50,000."""
        number, views = volume.number, self._fleet.view()
        for node in volume.mirrors:
            view = views[node]
            if not view.up or (view.status is not None and number in view.status.fenced):
                return False
        last, swept = self._last.get(number), self._sweeps.get(number)
        return (
            last is not None
            and last.is_complete
            and not self.needs_comparison(volume)
            and self.is_compared(volume)
            and swept is not None
            and swept.begun > self._complete[number].ended
            and not swept.unmade
        )

    def _waits_for(self, volume: Volume) -> str:
        views = self._fleet.view()
        down = [node for node in volume.mirrors if not views[node].up]
        if down:
            return f"{', '.join(down)}, which {_are(down)} down"
        fenced = [
            node
            for node in volume.mirrors
            if (status := views[node].status) is not None and volume.number in status.fenced
        ]
        if fenced:
            return f"the tombstones that {', '.join(fenced)} missed"
        last = self._last.get(volume.number)
        if last is None or self.needs_comparison(volume):
            return "the comparison of the mirrors"
        if last.unreachable:
            return f"another comparison: {', '.join(last.unreachable)} did not respond to the last"
        if last.failed_steps:
            steps = quantity(last.failed_steps, "step")
            return f"another comparison: the last repair left {steps}"
        if not self.is_compared(volume) or not self._is_swept_once(volume):
            return "the search for photos without sizes"
        unmade = len(self._sweeps[volume.number].unmade)
        return f"the sizes of photos: {unmade} left" if unmade else ""

    def _is_swept_once(self, volume: Volume) -> bool:
        swept = self._sweeps.get(volume.number)
        return (
            swept is not None
            and self.is_compared(volume)
            and swept.begun > self._complete[volume.number].ended
        )


def _are(nodes: Collection[NodeId]) -> str:
    return "is" if len(nodes) == 1 else "are"
