"""The storagemaster that repairs a volume: the first live one in the volume's own order.

Rendezvous hashing gives the orders, so that storagemasters share the volumes evenly, and the
volumes of a dead one go to all others. Each counts itself as live, so that whatever each believes
of the others, at least one storagemaster repairs a volume. Two may for a while, which costs only
work: every step of a repair can be repeated.
"""

import hashlib
from collections.abc import Callable, Iterable

from volumes.photo_path import VolumeId


class VolumeOwners:
    """The volumes of one storagemaster."""

    def __init__(self, masters: Iterable[str], *, own: str, is_up: Callable[[str], bool]) -> None:
        self._own = own
        self._is_up = is_up
        self.follow(masters)

    def follow(self, masters: Iterable[str]) -> None:
        """Divide the volumes among these storagemasters and this one from now on."""
        self._masters = sorted({*masters, self._own})
        self._before: dict[VolumeId, tuple[str, ...]] = {}

    def is_own(self, volume: VolumeId) -> bool:
        """Return True if no storagemaster that comes before this one is up."""
        before = self._before.get(volume)
        if before is None:
            order = rendezvous_order(self._masters, volume)
            before = self._before[volume] = order[: order.index(self._own)]
        return not any(map(self._is_up, before))


def rendezvous_order(masters: Iterable[str], volume: VolumeId) -> tuple[str, ...]:
    """Return the storagemasters in the order in which they own a volume.

    >>> rendezvous_order(["east-master", "west-master"], VolumeId(1))
    ('west-master', 'east-master')
    """

    def weight(master: str) -> bytes:
        return hashlib.blake2b(f"{volume} {master}".encode(), digest_size=8).digest()

    return tuple(sorted(masters, key=weight))
