"""What a store has promised, as checks of what is left of it after a crash."""

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
    """A store after the crash, and what is really on its disk."""

    store: DiskStore
    contents: Mapping[str, Contents]

    def serves(self, place: Place) -> bytes | None:
        """What a reader gets: verified bytes that no tombstone covers, or None."""
        try:
            self.store.raise_if_deleted(place.file)
            with opened(self.store.file_system, place.path) as file:
                return file.read()
        except NodeError:
            return None

    def keeps(self, data: bytes, *below: str) -> bool:
        """Whether these bytes are in any of some places."""
        return any(
            path.startswith(below) and contents.data == data
            for path, contents in self.contents.items()
        )


Check = Callable[[Survivor], Iterator[str]]
"""Says what is wrong, if anything is."""


def nothing(_: object) -> Iterator[str]:
    """Nothing is wrong."""
    return iter(())


def is_there(files: Bundle) -> Check:
    """Every file is served, whole."""

    def check(survivor: Survivor) -> Iterator[str]:
        for place, data, _ in files:
            if survivor.serves(place) != data:
                yield f"{place} was acknowledged and is not there"

    return check


def is_gone(files: Bundle, tombstone: Place) -> Check:
    """The tombstone is there, and nothing that it covers is served."""

    def check(survivor: Survivor) -> Iterator[str]:
        if tombstone.path not in survivor.contents:
            yield f"{tombstone} was acknowledged and is not there"
        for place, _, _ in files:
            if survivor.serves(place) is not None:
                yield f"{place} is served though {tombstone} was acknowledged"

    return check


def is_kept(files: Bundle) -> Check:
    """All bytes are at home or in the trash."""

    def check(survivor: Survivor) -> Iterator[str]:
        for place, data, _ in files:
            if not survivor.keeps(data, place.path, TRASH):
                yield f"the bytes of {place} are neither in place nor in the trash"

    return check


def is_there_or_gone(files: Bundle, *tombstones: Place) -> Check:
    """A file is out of sight only if a tombstone says so."""

    def check(survivor: Survivor) -> Iterator[str]:
        if not any(tombstone.path in survivor.contents for tombstone in tombstones):
            yield from is_there(files)(survivor)
        yield from is_kept(files)(survivor)

    return check
