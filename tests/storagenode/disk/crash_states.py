"""Every state of a disk that a power failure can leave, from the log of changes.

The disk keeps no promise except fsync's:

- Bytes written since the last fsync of a file exist, or half of each write, or none. Gaps are
  zeros. Digest and time exist or not, independently of the bytes.
- Names changed since the last fsync of their directory are changed or not, independently and in
  any order. Changes of one name keep their order. A rename never loses both names.
- A directory whose own name is lost is lost with its content, fsynced or not.
- The mtime of a directory that was set remains if no later change of a name in it has reached the
  disk, whatever became of earlier changes.

Up to ALL_SUBSETS_MAX pending names of a directory are combined in every way. For more names, the
prefixes, each name alone, and all but each are used.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from random import Random
from typing import TypeVar

from tests.storagenode.disk.crash_file_system import (
    ROOT,
    Acknowledged,
    Contents,
    Created,
    Image,
    Named,
    Noted,
    Operation,
    Stamped,
    Synced,
    Wrote,
)

ALL_SUBSETS_MAX = 8
PRODUCT_MAX = 3000
MANY_NAMES = 64

T = TypeVar("T")

Dirent = tuple[int, str]
Applied = dict[Dirent, int]
"""The number of pending changes of each name that have reached the disk."""

SetTime = tuple[int, Applied]
"""An mtime that was set, and the number of pending changes of each name at that moment."""

StateKey = tuple[
    frozenset[tuple[int, str, int | None]],
    frozenset[tuple[int, Contents]],
    frozenset[tuple[int, int]],
]
"""The difference of a disk from its start. Equal keys are equal disks."""


class UnsettledDisk:
    """A disk with changes that are not fsynced yet."""

    def __init__(self, base: Image) -> None:
        self._base = base
        self._directories: dict[int, dict[str, int]] = {
            directory: dict(entries) for directory, entries in base.directories.items()
        }
        self._files: dict[int, Contents] = dict(base.files)
        self._parents: dict[int, Dirent] = {}
        self._names: dict[Dirent, list[Named]] = {}
        self._writes: dict[int, list[bytes]] = {}
        self._notes: dict[int, Noted] = {}
        self._times: dict[int, list[SetTime]] = {d: [(t, {})] for d, t in base.stamps.items()}
        self._touched_names: dict[Dirent, None] = {}
        self._touched_files: dict[int, None] = {}

    def apply(self, operation: Operation) -> None:
        """Apply one change."""
        match operation:
            case Created(node, is_directory=True):
                self._directories[node] = {}
            case Created(node):
                self._files[node] = Contents()
                self._touched_files[node] = None
            case Named(directory, name, node):
                self._names.setdefault((directory, name), []).append(operation)
                self._touched_names[directory, name] = None
                if node in self._directories and node not in self._base.directories:
                    self._parents[node] = (directory, name)
            case Wrote(file, data):
                self._writes.setdefault(file, []).append(data)
            case Noted(file):
                self._notes[file] = operation
                self._touched_files[file] = None
            case Stamped(directory, time):
                pending = {d: len(names) for d, names in self._names.items() if d[0] == directory}
                self._times.setdefault(directory, []).append((time, pending))
            case Synced(node) if node in self._directories:
                self._settle([dirent for dirent in self._names if dirent[0] == node])
                self._times[node] = self._times.get(node, [])[-1:]
            case Synced(file):
                self._files[file] = self._whole(file)
                self._writes.pop(file, None)
                self._notes.pop(file, None)
            case Acknowledged():
                pass

    def damage_file(self, file: int, contents: Contents) -> None:
        """Replace a durable file on the disk."""
        self._files[file] = contents

    def damage_name(self, directory: int, name: str) -> None:
        """Remove a durable name from the disk."""
        self._directories[directory].pop(name, None)
        self._names.pop((directory, name), None)
        self._times.pop(directory, None)

    @property
    def pending_names(self) -> int:
        """Return the number of names that are not fsynced."""
        return len(self._names)

    def states(self) -> Iterator[tuple[StateKey, Callable[[], Image]]]:
        """Yield every possible state after a crash. Some can repeat."""
        for applied in self._name_choices():
            directories = self._with_names(applied)
            reachable = {
                d: entries for d, entries in directories.items() if self._leads_to(d, directories)
            }
            changed = frozenset(
                (directory, name, reachable[directory].get(name))
                for directory, name in self._touched_names
                if directory in reachable
                and reachable[directory].get(name)
                != self._base.directories.get(directory, {}).get(name)
            )
            present = {node for _, _, node in changed if node is not None}
            touched = [
                file for file in self._touched_files if file in present or file in self._base.files
            ]
            for contents in self._content_choices(touched):
                stamps = self._stamps_left(applied)
                key = (changed, frozenset(contents.items()), frozenset(stamps.items()))
                yield key, partial(self._image, directories, contents, stamps)

    def any_state(self, random: Random) -> Image:
        """Return a random state."""
        counts = {dirent: self._different_counts(dirent) for dirent in self._names}
        applied = {dirent: random.choice(options) for dirent, options in counts.items()}
        while not self._has_what_it_needs(applied):
            applied = {
                dirent: random.choice((0, max(options))) for dirent, options in counts.items()
            }
        contents = {file: self._any_contents(file, random) for file in self._touched_files}
        return self._image(self._with_names(applied), contents, self._stamps_left(applied))

    def durable(self, path: str) -> Contents | None:
        """Return the content of a file that every state has, or None if a state lacks its name."""
        node = self._durable_node(path)
        if node is None or node in self._writes or node in self._notes:
            return None
        return self._files.get(node)

    def durable_appends(self, directory: str) -> bytes:
        """Return what every state has of all files in a directory, whatever is appended to them."""
        node = self._durable_node(directory)
        names = {} if node is None else self._directories[node]
        return b"".join(self._files[file].data for file in names.values())

    def _durable_node(self, path: str) -> int | None:
        """Return the number of a file or directory whose name every state has, or None."""
        node = ROOT
        for part in path.split("/"):
            found = self._directories.get(node, {}).get(part)
            if found is None:
                return None
            node = found
        return node

    def _image(
        self,
        directories: Mapping[int, Mapping[str, int]],
        contents: Mapping[int, Contents],
        stamps: Mapping[int, int],
    ) -> Image:
        return Image({**self._directories, **directories}, {**self._files, **contents}, stamps)

    def _stamps_left(self, applied: Applied) -> dict[int, int]:
        """Return the last mtime of each directory that no applied change has replaced."""
        return {
            directory: time
            for directory, times in self._times.items()
            for time, before in times
            if all(
                count <= before.get(dirent, 0)
                for dirent, count in applied.items()
                if dirent[0] == directory
            )
        }

    def _settle(self, dirents: Sequence[Dirent]) -> None:
        """Apply the changes of some names and their dependencies to the disk."""
        for dirent in dirents:
            self._settle_times(dirent, len(self._names.get(dirent, ())))
        changes = [change for dirent in dirents for change in self._names.pop(dirent, [])]
        for directory in {change.directory for change in changes}:
            self._directories[directory] = dict(self._directories[directory])
        for change in changes:
            _change(self._directories[change.directory], change)
        needed = [change.needs for change in changes if change.needs is not None]
        if needed:
            self._settle(needed)

    def _settle_times(self, dirent: Dirent, count: int) -> None:
        """Keep the mtimes of a directory that were set after all changes of a name."""
        self._times[dirent[0]] = [
            (time, {each: number for each, number in before.items() if each != dirent})
            for time, before in self._times.get(dirent[0], ())
            if before.get(dirent, 0) >= count
        ]

    def _name_choices(self) -> Iterator[Applied]:
        by_directory: dict[int, list[Dirent]] = {}
        for dirent in self._names:
            by_directory.setdefault(dirent[0], []).append(dirent)
        options = [
            [dict(zip(dirents, counts, strict=True)) for counts in self._counts(dirents)]
            for dirents in by_directory.values()
        ]
        for choice in _combinations(options):
            applied = {dirent: count for part in choice for dirent, count in part.items()}
            if self._has_what_it_needs(applied):
                yield applied

    def _counts(self, dirents: Sequence[Dirent]) -> Iterator[tuple[int, ...]]:
        ranges = [self._different_counts(dirent) for dirent in dirents]
        if len(dirents) <= ALL_SUBSETS_MAX:
            return itertools.product(*ranges)
        return _some_of_many([max(counts) for counts in ranges])

    def _different_counts(self, dirent: Dirent) -> list[int]:
        """Return the numbers of applied changes that leave different results."""
        before = self._directories[dirent[0]].get(dirent[1])
        seen: dict[object, int] = {before: 0}
        for count, change in enumerate(self._names[dirent], 1):
            seen.setdefault((change.node, count) if change.needs else change.node, count)
        return sorted(set(seen.values()))

    def _has_what_it_needs(self, applied: Applied) -> bool:
        for dirent, count in applied.items():
            for change in self._names[dirent][:count]:
                needed = change.needs
                if needed in applied and applied[needed] < len(self._names[needed]):
                    return False
        return True

    def _with_names(self, applied: Applied) -> dict[int, dict[str, int]]:
        """Return the directories after the chosen changes."""
        touched = dict.fromkeys(directory for directory, _ in self._touched_names)
        directories = {directory: dict(self._directories[directory]) for directory in touched}
        for dirent, count in applied.items():
            if count:
                _change(directories[dirent[0]], self._names[dirent][count - 1])
        return directories

    def _leads_to(self, directory: int, directories: Mapping[int, Mapping[str, int]]) -> bool:
        """Return True if a directory is reachable from the root."""
        while directory in self._parents:
            parent, name = self._parents[directory]
            entries = directories.get(parent, self._directories[parent])
            if entries.get(name) != directory:
                return False
            directory = parent
        return True

    def _content_choices(self, files: Sequence[int]) -> Iterator[dict[int, Contents]]:
        options = [[(file, contents) for contents in self._contents_left(file)] for file in files]
        return map(dict, _combinations(options))

    def _contents_left(self, file: int) -> list[Contents]:
        """Yield the possible contents of a file. Fsynced content always remains."""
        synced, notes, writes = self._files[file], self._notes.get(file), self._writes.get(file, [])
        kept = [(synced.digest, synced.mtime_seconds)]
        if notes is not None:
            kept.append((notes.digest, notes.mtime_seconds))
        parts = itertools.product(*([0, len(write) // 2, len(write)] for write in writes))
        data = dict.fromkeys(_torn(synced.data, writes, lengths) for lengths in parts)
        return [Contents(each, *note) for each in data for note in kept]

    def _any_contents(self, file: int, random: Random) -> Contents:
        """Return one possible content of a file."""
        synced, notes, writes = self._files[file], self._notes.get(file), self._writes.get(file, [])
        lengths = [random.choice((0, len(write) // 2, len(write))) for write in writes]
        noted = notes if notes is not None and random.random() < 0.5 else synced
        return Contents(_torn(synced.data, writes, lengths), noted.digest, noted.mtime_seconds)

    def _whole(self, file: int) -> Contents:
        """Return a file with all its changes."""
        synced, notes = self._files[file], self._notes.get(file)
        data = synced.data + b"".join(self._writes.get(file, []))
        if notes is None:
            return Contents(data, synced.digest, synced.mtime_seconds)
        return Contents(data, notes.digest, notes.mtime_seconds)


def _combinations(options: Sequence[Sequence[T]]) -> Iterator[tuple[T, ...]]:
    """Yield the combinations, or vary one at a time if there are too many."""
    if math.prod(map(len, options)) <= PRODUCT_MAX:
        yield from itertools.product(*options)
        return
    for place, choices in enumerate(options):
        for end in (0, -1):
            others = [[option[end]] for option in options]
            yield from itertools.product(*others[:place], choices, *others[place + 1 :])


def _some_of_many(last: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield none, all, prefixes, each alone, and all but each, or a sample of them."""
    step = 1 if len(last) <= MANY_NAMES else len(last) // 3
    yield tuple(0 for _ in last)
    yield tuple(last)
    for place in range(0, len(last), step):
        yield tuple(count if n <= place else 0 for n, count in enumerate(last))
        yield tuple(count if n == place else 0 for n, count in enumerate(last))
        yield tuple(count if n != place else 0 for n, count in enumerate(last))


def _torn(synced: bytes, writes: Sequence[bytes], lengths: Sequence[int]) -> bytes:
    """Return bytes after writes that reached the disk only in their first part."""
    data, offset = bytearray(synced), len(synced)
    for write, length in zip(writes, lengths, strict=True):
        if length:
            data.extend(bytes(offset - len(data)))
            data.extend(write[:length])
        offset += len(write)
    return bytes(data)


def _change(entries: dict[str, int], change: Named) -> None:
    if change.node is None:
        entries.pop(change.name, None)
    else:
        entries[change.name] = change.node
