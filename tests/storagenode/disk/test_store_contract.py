"""The store contract on a disk."""

import pytest

from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.reading import opened
from storagenode.disk.store import DiskStore
from storagenode.protocol.layout import STAGING
from tests.storagenode.store_contract import WritingContract
from tests.storagenode.store_dropping_contract import DroppingContract
from tests.storagenode.store_erasing_contract import ErasingContract
from tests.storagenode.store_keeping_contract import KeepingContract
from tests.storagenode.store_tiering_contract import TieringContract
from tests.storagenode.tombstones import PROOFS


class DiskStoreUnderTest:
    """A `StoreUnderTest` over a root."""

    def __init__(self, roots, clock) -> None:
        self._roots, self._clock = roots, clock
        self._file_systems = []
        self.store = self.another_store()

    def another_store(self):
        """Return a store over another root."""
        return self._open(self._roots.take())

    def restart(self):
        """Open a new store over the same root."""
        self.store = self._open(self._root)

    def read(self, path):
        """Read through the store's file system."""
        with opened(self.store.file_system, path) as file:
            return file.read()

    def mtime_of(self, path):
        """Return the time in seconds with its fraction."""
        return (self._root / path).stat().st_mtime_ns / 1e9

    def unfinished(self):
        """Return the names in staging."""
        return [entry.name for entry in (self._root / STAGING).iterdir()]

    def close(self):
        """Close all roots."""
        for file_system in self._file_systems:
            file_system.close_root()

    def _open(self, root):
        self._file_systems.append(DiskFileSystem(root))
        return DiskStore(self._file_systems[-1], PROOFS, now_seconds=self._clock)

    @property
    def _root(self):
        return self.store.file_system.root


@pytest.fixture(name="trial")
def _trial(roots, clock):
    trial = DiskStoreUnderTest(roots, clock)
    yield trial
    trial.close()


class TestDiskStore(
    WritingContract, KeepingContract, TieringContract, DroppingContract, ErasingContract
):
    """The whole contract on a real disk."""
