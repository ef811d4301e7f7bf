"""The promises of a store, as checks of a disk after a crash."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from storagenode.disk.reading import opened
from storagenode.disk.store import DiskStore
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import TRASH, Place
from tests.storagenode.disk.crash_file_system import Contents
from tests.storagenode.photo_samples import Bundle


@dataclass(slots=True)
class Survivor:
    """A store after the crash, and the content of its disk."""

    store: DiskStore
    contents: Mapping[str, Contents]

    def serves(self, place: Place) -> bytes | None:
        """Return the verified bytes that a reader gets, or None if deleted or missing."""
        try:
            self.store.raise_if_deleted(place.file)
            with opened(self.store.file_system, place.path) as file:
                return file.read()
        except NodeError:
            return None

    def keeps(self, data: bytes, *below: str) -> bool:
        """Return True if one of the places has these bytes."""
        return any(
            path.startswith(below) and contents.data == data
            for path, contents in self.contents.items()
        )


Check = Callable[[Survivor], Iterator[str]]
"""Says what is wrong, if anything is."""


def nothing(_: object) -> Iterator[str]:
    """Report no violation."""
    return iter(())


def is_there(files: Bundle) -> Check:
    """Check that every file is served, complete."""

    def check(survivor: Survivor) -> Iterator[str]:
        for place, data, _ in files:
            if survivor.serves(place) != data:
                yield f"{place} was acknowledged and is not there"

    return check


def is_gone(files: Bundle, tombstone: Place) -> Check:
    """Check that the tombstone exists and no file that it covers is served."""

    def check(survivor: Survivor) -> Iterator[str]:
        if tombstone.path not in survivor.contents:
            yield f"{tombstone} was acknowledged and is not there"
        for place, _, _ in files:
            if survivor.serves(place) is not None:
                yield f"{place} is served though {tombstone} was acknowledged"

    return check


def is_kept(files: Bundle) -> Check:
    """Check that all bytes are live or in the trash."""

    def check(survivor: Survivor) -> Iterator[str]:
        for place, data, _ in files:
            if not survivor.keeps(data, place.path, TRASH):
                yield f"the bytes of {place} are neither in place nor in the trash"

    return check


def is_there_or_gone(files: Bundle, *tombstones: Place) -> Check:
    """Check that a missing file has a tombstone."""

    def check(survivor: Survivor) -> Iterator[str]:
        if not any(tombstone.path in survivor.contents for tombstone in tombstones):
            yield from is_there(files)(survivor)
        yield from is_kept(files)(survivor)

    return check
