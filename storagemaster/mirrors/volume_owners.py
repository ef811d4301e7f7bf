"""The storagemaster that repairs a volume: the first live one in the volume's own order.

Rendezvous hashing gives the orders, so that storagemasters share the volumes evenly, and the
volumes of a dead one go to all others. Each counts itself as live, so that whatever each believes
of the others, at least one storagemaster repairs a volume. Two may for a while, which costs only
work: every step of a repair can be repeated.
"""

import hashlib
from collections.abc import Callable, Iterable

from volumes.address import Address
from volumes.cluster import Cluster
from volumes.photo_path import VolumeId


class VolumeOwners:
    """The volumes of one storagemaster."""

    def __init__(self, masters: Iterable[str], *, own: str, is_up: Callable[[str], bool]) -> None:
        self._masters = sorted({*masters, own})
        self._own = own
        self._is_up = is_up
        self._before: dict[VolumeId, tuple[str, ...]] = {}

    @classmethod
    def of(
        cls, cluster: Cluster, *, own: str, is_port_up: Callable[[Address], bool]
    ) -> "VolumeOwners":
        """Return the volumes of a storagemaster of the config, by the ports of the others."""
        addresses = {id_: master.address for id_, master in cluster.masters.items()}
        return cls(addresses, own=own, is_up=lambda other: is_port_up(addresses[other]))

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
