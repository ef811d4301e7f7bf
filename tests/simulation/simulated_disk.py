"""The disk of a simulated node: power loss, lack of space, errors, and damage."""

import copy
import errno
import os
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from storagenode.disk.filesystem import FsyncFailed
from storagenode.file_stat import FileStat
from storagenode.protocol.layout import HINTS, QUARANTINE, STAGING, TRASH
from storagenode.store import Space
from tests.simulation.sparse_shards import SparseShards
from tests.storagenode.disk.crash_file_system import (
    ROOT,
    Contents,
    CrashFileSystem,
    Image,
    Named,
    Operation,
    Synced,
)
from tests.storagenode.disk.crash_states import UnsettledDisk

TOTAL_BYTES = 1 << 40
# Directory times have the resolution of a kernel tick.
TICK_NANOSECONDS = 4_000_000

_CHANGES = (
    "create",
    "create_unnamed",
    "write",
    "set_digest",
    "set_mtime",
    "fsync",
    "link",
    "link_unnamed",
    "rename",
    "unlink",
    "make_directory",
    "remove_directory",
    "stamp_directory",
    "fsync_directory",
    "sync_disk",
)
_TAKE_SPACE = {"create", "create_unnamed", "write", "link", "link_unnamed", "make_directory"}
_SYNCS = {"fsync", "fsync_directory", "sync_disk"}
_READS = (
    "list",
    "stat",
    "exists",
    "open_to_read",
    "open_to_append",
    "stat_open",
    "digest_open",
    "read_at",
    "close",
)


class PowerLost(BaseException):
    """Power loss. It is a BaseException, because no code of the node runs after it."""


class _Log:
    """Log that applies each change at once, so that the durable state is always known."""

    def __init__(self, base: Image) -> None:
        self.unsettled = UnsettledDisk(base)

    def append(self, operation: Operation) -> None:
        """Apply an operation."""
        self.unsettled.apply(operation)


class SimulatedDisk(CrashFileSystem):
    """A crash file system with faults."""

    log: _Log  # type: ignore[assignment]

    def __init__(self, now_seconds: Callable[[], float], shards: SparseShards) -> None:
        self._now_seconds = now_seconds
        self._shards = shards
        self._directory_mtimes: dict[int, int] = {}
        self.free_bytes = TOTAL_BYTES // 2
        self.is_off = False
        self.changes_until_power_cut: int | None = None
        self.fsyncs_fail = False
        self.reads_fail = False
        self.load(empty_root())

    def load(self, image: Image) -> None:
        """Load an image, all of it durable."""
        super().__init__(image)
        self.log = _Log(image)

    def for_next_process(self) -> "SimulatedDisk":
        """Return the same disk for a new process; the old process loses its access."""
        fresh = copy.copy(self)
        self.is_off = True
        fresh.is_off = False
        fresh.changes_until_power_cut = None
        fresh._handles = {}
        return fresh

    def lose_power(self, random: Random) -> None:
        """Keep synced changes and a random subset of the others."""
        self.load(self.log.unsettled.any_state(random))

    def durable(self, path: str) -> Contents | None:
        """Return what certainly remains of a file after a crash, or None."""
        return self.log.unsettled.durable(path)

    def durable_appends(self, directory: str) -> bytes:
        """Return what certainly remains of all files in a directory after a crash."""
        return self.log.unsettled.durable_appends(directory)

    def damage(self, path: str, change: Callable[[Contents], Contents | None]) -> None:
        """Change a file on the disk, or remove its name for None."""
        node = self._find(path)
        damaged = change(self._files[node])
        if damaged is not None:
            self._files[node] = damaged
            self.log.unsettled.damage_file(node, damaged)
            return
        parent, name = self._split(path)
        self._directories[parent] = {
            each: number for each, number in self._directories[parent].items() if each != name
        }
        self._stamps.pop(parent, None)
        self.log.unsettled.damage_name(parent, name)
        self._touch(parent)

    def invent(self, path: str, *, proof: str) -> bool:
        """Create an empty file, durable at once; return False if the disk is off or has it."""
        if self.is_off or path in self.contents():
            return False
        parent, name = self._split(path)
        node = self._new_node(is_directory=False)
        self._files[node] = Contents()
        self._name(Named(parent, name, node))
        for each in (node, parent):
            self.log.append(Synced(each))
        self.damage(path, lambda contents: replace(contents, digest=proof or None))
        return True

    def space(self) -> Space:
        """Return the configured free space."""
        return Space(self.free_bytes, TOTAL_BYTES, 1 << 20, 1 << 21)

    def before_change(self, name: str) -> None:
        """Raise the fault of a change, if there is one."""
        if self.changes_until_power_cut is not None:
            self.changes_until_power_cut -= 1
            self.is_off = self.changes_until_power_cut <= 0
        if self.is_off:
            raise PowerLost
        if name in _TAKE_SPACE and self.free_bytes <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.fsyncs_fail and name in _SYNCS:
            raise FsyncFailed(errno.EIO, os.strerror(errno.EIO))

    def before_read(self, name: str) -> None:
        """Raise the fault of a read, if there is one."""
        if self.is_off:
            raise PowerLost
        if self.reads_fail and name == "read_at":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def make_directory(self, path: str) -> bool:
        """Create a directory, and add it to the shards in use."""
        self._shards.learn(path)
        return super().make_directory(path)

    def read_cached(self, handle: int, size: int) -> bytes | None:
        """Return the bytes of every other file, as if it were in the page cache."""
        return self.read_at(handle, 0, size) if handle % 2 else None

    def _name(self, change: Named) -> None:
        super()._name(change)
        self._touch(change.directory)

    def _touch(self, directory: int) -> None:
        now = int(self._now_seconds() * 1e9)
        self._directory_mtimes[directory] = now - now % TICK_NANOSECONDS

    def _stat(self, node: int) -> FileStat:
        if node in self._directories:
            mtime = self._directory_mtimes.get(node, 0)
            return FileStat(0, self._stamps.get(node, mtime), node)
        return super()._stat(node)


def empty_root() -> Image:
    """Return the image of a newly marked root."""
    folders = {name: number for number, name in enumerate((STAGING, HINTS, TRASH, QUARANTINE), 1)}
    return Image({ROOT: folders, **{number: {} for number in folders.values()}}, {})


def _checked(name: str, check: str) -> Callable[..., Any]:
    inherited = getattr(SimulatedDisk, name)

    def call(self: SimulatedDisk, *arguments: Any) -> Any:
        getattr(self, check)(name)
        return inherited(self, *arguments)

    return call


for _name in _CHANGES:
    setattr(SimulatedDisk, _name, _checked(_name, "before_change"))
for _name in _READS:
    setattr(SimulatedDisk, _name, _checked(_name, "before_read"))
