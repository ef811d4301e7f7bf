"""The partials of one disk in memory, so that none is listed when another one is created.

The disk is the only truth: they are read from it once, and compared with it by each sweep.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable

from storagenode.protocol.partials import Partial
from volumes.photo_id import PhotoId, Version


class HeldPartials:
    """The partials that a disk holds. All calls are thread-safe."""

    def __init__(self, partials: Iterable[Partial]) -> None:
        self._lock = threading.Lock()
        self._of_photo: dict[tuple[PhotoId, Version], set[Partial]] = defaultdict(set)
        self.count = 0
        self.bytes_total = 0
        """The sum of the announced lengths: what all take once they are complete."""
        for partial in partials:
            self.add(partial)

    def __contains__(self, partial: Partial) -> bool:
        return partial in self._of_photo.get((partial.photo, partial.version), ())

    def add(self, partial: Partial) -> None:
        """Record a partial, if it is not recorded."""
        with self._lock:
            same = self._of_photo[partial.photo, partial.version]
            if partial not in same:
                same.add(partial)
                self.count += 1
                self.bytes_total += partial.bytes_total

    def discard(self, partial: Partial) -> None:
        """Forget a partial, if it is recorded."""
        with self._lock:
            key = (partial.photo, partial.version)
            if partial in self._of_photo.get(key, ()):
                self._of_photo[key].discard(partial)
                self.count -= 1
                self.bytes_total -= partial.bytes_total
                if not self._of_photo[key]:
                    del self._of_photo[key]

    def surplus(self, partial: Partial, *, count_max: int) -> list[Partial]:
        """Return the partials to remove before another of the same photo, the oldest first."""
        with self._lock:
            same = list(self._of_photo.get((partial.photo, partial.version), ()))
        same.sort(key=lambda each: (each.expiry_seconds, each.name))
        return same[: max(0, len(same) + 1 - count_max)]

    def missing_in(self, listed: Iterable[Partial]) -> set[Partial]:
        """Return the recorded partials that a listing lacks."""
        with self._lock:
            return set().union(*self._of_photo.values()).difference(listed)
