"""A store as the contract sees it, and what its tests need beside it."""

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
    """A store, and what a test may do to it that a store itself does not offer."""

    store: DiskStore

    def restart(self) -> None:
        """Put a new store in the place of `store`, over the same bytes."""

    def another_store(self) -> DiskStore:
        """A new and empty store of its own, a home of VOLUME too."""

    def read(self, path: str) -> bytes:
        """The bytes at any path below the root, verified; `NotFound` if there is none."""

    def mtime_of(self, path: str) -> float:
        """The time a file says that it was written at."""

    def unfinished(self) -> list[str]:
        """The names of writes that have begun and not ended."""


def put(store: DiskStore, place: Place, data: bytes, *, mtime_seconds: int = MTIME) -> Published:
    """Write one file, as a streamed upload does."""
    with store.staging(bytes_expected=len(data)) as file:
        for start in range(0, len(data), 40):
            file.write(data[start : start + 40])
        return store.publish(file, place, mtime_seconds=mtime_seconds, digest=digest_of(data))


def names_of(store: DiskStore, photo_version: PhotoVersion = OF) -> list[str]:
    """What the shard of a photo lists."""
    return [file.name for file in store.list_shard(photo_version.volume, photo_version.shard)]
