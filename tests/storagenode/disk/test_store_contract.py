"""The store over a disk keeps what every store promises."""

import pytest

from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.reading import opened
from storagenode.disk.store import DiskStore
from storagenode.protocol.layout import STAGING
from tests.storagenode.store_contract import WritingContract
from tests.storagenode.store_keeping_contract import KeepingContract


class DiskStoreUnderTest:
    """A `StoreUnderTest` over a root."""

    def __init__(self, roots, clock) -> None:
        self._roots, self._clock = roots, clock
        self._file_systems = []
        self.store = self.another_store()

    def another_store(self):
        """Over another root."""
        return self._open(self._roots.take())

    def restart(self):
        """A new store over the same root."""
        self.store = self._open(self._root)

    def read(self, path):
        """Through the store's own file system."""
        with opened(self.store.file_system, path) as file:
            return file.read()

    def mtime_of(self, path):
        """To the nanosecond, as far as the disk tells."""
        return (self._root / path).stat().st_mtime_ns / 1e9

    def unfinished(self):
        """What lies in staging."""
        return [entry.name for entry in (self._root / STAGING).iterdir()]

    def close(self):
        """Let go of all roots."""
        for file_system in self._file_systems:
            file_system.close_root()

    def _open(self, root):
        self._file_systems.append(DiskFileSystem(root))
        return DiskStore(self._file_systems[-1], now_seconds=self._clock)

    @property
    def _root(self):
        return self.store.file_system.root


@pytest.fixture(name="trial")
def _trial(roots, clock):
    trial = DiskStoreUnderTest(roots, clock)
    yield trial
    trial.close()


class TestDiskStore(WritingContract, KeepingContract):
    """All of the contract, on a real disk."""
