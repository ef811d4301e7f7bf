"""Of the thousand shards of a volume, only those that anything was ever put into.

The others are alike, and to look into all of them would be most of what a simulation does.
"""

import bisect
import contextlib
import random
from collections.abc import Iterator

import pytest

from storagenode.disk import shard_listing, store
from storagenode.upkeep import scrub
from volumes.photo_id import ALPHABET

_SHARD_BITS = 10
# Few, so that photos meet in them.
_SHARDS_TO_MINT_IN = 6


class SparseShards:
    """Stands in for `volumes.photo_path.SHARDS`."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def learn(self, directory: str) -> None:
        """A directory was made: it may be a shard."""
        volume, _, shard = directory.partition("/")
        if volume.isdigit() and shard and shard not in self._names:
            bisect.insort(self._names, shard)


class RandomInFewShards(random.Random):
    """Randomness for ids, of which few shards come."""

    def getrandbits(self, k: int, /) -> int:
        """So many bits, the last of which name one of a few shards."""
        bits = super().getrandbits(k)
        if k <= _SHARD_BITS:
            return bits
        few = (bits & ((1 << _SHARD_BITS) - 1)) % _SHARDS_TO_MINT_IN
        return (bits >> _SHARD_BITS << _SHARD_BITS) | few


@contextlib.contextmanager
def with_sparse_shards() -> Iterator[SparseShards]:
    """Have stores know only the shards in use."""
    shards = SparseShards()
    with pytest.MonkeyPatch.context() as patch:
        for module in (store, shard_listing, scrub):
            patch.setattr(module, "SHARDS", shards)
        yield shards


assert len(ALPHABET) ** 2 == 1 << _SHARD_BITS
