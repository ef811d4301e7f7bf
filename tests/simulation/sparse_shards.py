"""The shards in use, out of the 1,024 shards of a volume.

Listing all empty shards would take most of the time of a simulation.
"""

import bisect
import contextlib
import random
from collections.abc import Iterator

import pytest

from storagenode.disk import store, walking
from storagenode.upkeep import scrub
from volumes.photo_id import ALPHABET

_SHARD_BITS = 10
# Few shards, so that some photos share one.
_MINTED_SHARDS = 6


class SparseShards:
    """Replacement for `volumes.photo_path.SHARDS`."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def learn(self, directory: str) -> None:
        """Add the shard of a new directory, if it is one."""
        volume, _, shard = directory.partition("/")
        if volume.isdigit() and shard and shard not in self._names:
            bisect.insort(self._names, shard)


class RandomInFewShards(random.Random):
    """Random bits that produce ids in few shards."""

    def getrandbits(self, k: int, /) -> int:
        """Return `k` bits whose lowest ones select one of a few shards."""
        bits = super().getrandbits(k)
        if k <= _SHARD_BITS:
            return bits
        few = (bits & ((1 << _SHARD_BITS) - 1)) % _MINTED_SHARDS
        return (bits >> _SHARD_BITS << _SHARD_BITS) | few


@contextlib.contextmanager
def with_sparse_shards() -> Iterator[SparseShards]:
    """Restrict stores to the shards in use until the block exits."""
    shards = SparseShards()
    with pytest.MonkeyPatch.context() as patch:
        for module in (store, walking, scrub):
            patch.setattr(module, "SHARDS", shards)
        yield shards


assert len(ALPHABET) ** 2 == 1 << _SHARD_BITS
