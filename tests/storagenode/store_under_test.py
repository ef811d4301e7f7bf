"""A store under the contract, and helpers of its tests."""

from typing import Protocol

from storagenode.disk.store import DiskStore
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import MTIME, digest_of, version_of
from volumes.photo_path import PhotoVersion

OF = version_of(7)
OTHER_VERSION = version_of(7, version=1)
OTHER_PHOTO = version_of(8)


class StoreUnderTest(Protocol):
    """A store, and operations of a test that a store does not offer."""

    store: DiskStore

    def restart(self) -> None:
        """Replace `store` with a new one over the same bytes."""

    def another_store(self) -> DiskStore:
        """Return a new and empty store that mirrors VOLUME."""

    def read(self, path: str) -> bytes:
        """Return the verified bytes at any path below the root, or raise `NotFound`."""

    def mtime_of(self, path: str) -> float:
        """Return the recorded time of a file."""

    def unfinished(self) -> list[str]:
        """Return the names of unfinished writes."""


def put(store: DiskStore, place: Place, data: bytes, *, mtime_seconds: int = MTIME) -> Published:
    """Write one file as a streamed upload does."""
    with store.staging(bytes_expected=len(data)) as file:
        for start in range(0, len(data), 40):
            file.write(data[start : start + 40])
        return store.publish(file, place, mtime_seconds=mtime_seconds, digest=digest_of(data))


def names_of(store: DiskStore, photo_version: PhotoVersion = OF) -> list[str]:
    """Return the names that the shard of a photo lists."""
    return [file.name for file in store.list_shard(photo_version.volume, photo_version.shard)]
