"""Faults of disks: corrupt, lost, and replaced files, directories, and roots."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from drill.cluster.drill_cluster import DrillCluster
from drill.cluster.stores import files_below
from drill.faults.evidence import Evidence, wait_until
from drill.faults.processes import is_running
from glassplate.local.processes import ProcessFailed
from runtime.tasks_beside import run_beside
from storagenode.disk.marker import mark_root
from storagenode.protocol.layout import HINTS, QUARANTINE, STAGING, TRASH
from storagenode.protocol.recent import RECENT
from volumes.cluster import NodeId


class Damage(Enum):
    """A kind of damage to a file."""

    FLIPPED = "one bit flipped"
    EMPTIED = "truncated to 0 bytes"
    HALVED = "truncated to half"
    SHORTENED = "a byte shorter"
    LENGTHENED = "256 bytes longer"


@dataclass(frozen=True, slots=True)
class Damaged:
    """Files of a node change, while their times and recorded digests stay."""

    node: str
    damage: Damage
    files: int = 4

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Damage files, and request a scrub after the block. The cluster must repair them."""
        await wait_until(lambda: len(drill_cluster.photo_files(self.node)) >= self.files)
        for path in drill_cluster.photo_files(self.node)[: self.files]:
            before = path.read_bytes()
            seen = path.stat()
            path.chmod(0o644)
            path.write_bytes(_damaged(before, self.damage))
            path.chmod(seen.st_mode)
            os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
            evidence.damaged_files += 1
            differs = path.read_bytes() != before
            evidence.add(differs, f"{path.name} on {self.node}: {self.damage.value}")
        yield
        await request_scrubs(drill_cluster)


@dataclass(frozen=True, slots=True)
class FilesLost:
    """Files or whole shards disappear from a node."""

    node: str
    files: int = 0
    shards: int = 0

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Remove files. The cluster must detect and restore them."""
        await wait_until(lambda: len(drill_cluster.photo_files(self.node)) >= self.files)
        for path in drill_cluster.photo_files(self.node)[: self.files]:
            path.unlink()
            evidence.add(not path.exists(), f"{path.name} is no longer on {self.node}")
        for shard in sorted(drill_cluster.root(self.node).glob("[1-9]*/??"))[: self.shards]:
            shutil.rmtree(shard)
            name = f"{shard.parent.name}/{shard.name}"
            evidence.add(not shard.exists(), f"shard {name} is no longer on {self.node}")
        yield


@dataclass(frozen=True, slots=True)
class DiskReplaced:
    """A node starts with an empty, newly marked disk, as after a replacement."""

    node: str

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Stop the node, empty and mark its root, and start it. The cluster must refill it."""
        process = drill_cluster.process(self.node)
        await wait_until(lambda: drill_cluster.photo_files(self.node))
        before = len(drill_cluster.photo_files(self.node))
        await process.stop()
        _empty(drill_cluster.root(self.node))
        mark_root(drill_cluster.root(self.node), drill_cluster.cluster.nodes[NodeId(self.node)])
        after = len(drill_cluster.photo_files(self.node))
        evidence.add(before > after, f"{self.node} had {before} photo files, and has {after}")
        await process.start()
        yield


@dataclass(frozen=True, slots=True)
class OldBackup:
    """A node starts with an old backup of its disk, which holds deleted photos."""

    node: str

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Back up the disk, and restore the backup after the block."""
        process, root = drill_cluster.process(self.node), drill_cluster.root(self.node)
        backup = root.with_name(f"{root.name}.backup")
        await process.stop()
        await asyncio.to_thread(_copy, root, backup)
        await process.start()
        yield
        await wait_until(lambda: _names(root) - _names(backup))
        had = _names(root)
        await process.stop()
        _empty(root)
        await asyncio.to_thread(_copy, backup, root)
        shutil.rmtree(backup)
        back, lost = _names(root) - had, had - _names(root)
        evidence.add(
            lost, f"{self.node} lost {len(lost)} files and regained {len(back)} from its backup"
        )
        await process.start()


@dataclass(frozen=True, slots=True)
class DisksSwapped:
    """Two nodes have each other's disks."""

    one: str
    other: str

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Swap the disks until the block exits. Both nodes must refuse to start."""
        processes = drill_cluster.processes(self.one, self.other)
        await drill_cluster.local.stop(processes)
        _swap(drill_cluster.root(self.one), drill_cluster.root(self.other))
        for process in processes:
            try:
                await process.start()
            except ProcessFailed as error:
                rejected = "is not the marker of" in str(error)
                evidence.add(rejected, f"{process.plan.name} rejected the disk of another node")
            else:
                evidence.add(None, f"{process.plan.name} rejected the disk of another node")
        yield
        await drill_cluster.local.stop(processes)
        _swap(drill_cluster.root(self.one), drill_cluster.root(self.other))
        await drill_cluster.local.start(processes)


@dataclass(frozen=True, slots=True)
class HintsLost:
    """All hints are deleted."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Delete the hints after the block; the fault fired if there were any."""
        yield
        hints = await wait_until(lambda: _files_in(drill_cluster, HINTS))
        for path in hints:
            path.unlink(missing_ok=True)
        evidence.add(hints, f"{len(hints)} hints were deleted")


@dataclass(frozen=True, slots=True)
class FoldersEmptied:
    """An operator empties the hidden folders of all nodes again and again."""

    folders: tuple[str, ...] = (TRASH, HINTS, STAGING, QUARANTINE, RECENT)
    every_seconds: float = 0.3

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Remove the content of each folder, and after the block wait until each had some."""
        removed = dict.fromkeys(self.folders, 0)

        async def empty() -> None:
            while True:
                for folder in self.folders:
                    for path in _files_in(drill_cluster, folder):
                        path.unlink(missing_ok=True)
                        removed[folder] += 1
                    for root in drill_cluster.roots.values():
                        for entry in (root / folder).glob("*"):
                            shutil.rmtree(entry, ignore_errors=True)
                await asyncio.sleep(self.every_seconds)

        async with run_beside(empty()):
            yield
            await wait_until(lambda: removed[TRASH])
        evidence.add(removed[TRASH], f"files were removed: {removed}")


@dataclass(frozen=True, slots=True)
class PowerLost:
    """All nodes are killed at the same moment."""

    names: tuple[str, ...]

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Kill all nodes at once, and start them after the block."""
        processes = drill_cluster.processes(*self.names)
        pids = [process.pid for process in processes if process.pid]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        await drill_cluster.local.stop(processes)
        gone = [pid for pid in pids if not is_running(pid)]
        evidence.add(gone == pids and pids, f"{len(gone)} of {len(pids)} nodes ended at once")
        yield
        await drill_cluster.local.start(processes)


async def request_scrubs(drill_cluster: DrillCluster) -> None:
    """Start a scrub on all nodes now, so that the drill does not wait for the scrub interval."""
    for client in drill_cluster.clients.values():
        with contextlib.suppress(Exception):
            await client.scrub()
            return


def _damaged(data: bytes, damage: Damage) -> bytes:
    middle = len(data) // 2
    match damage:
        case Damage.FLIPPED:
            return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        case Damage.EMPTIED:
            return b""
        case Damage.HALVED:
            return data[:middle]
        case Damage.SHORTENED:
            return data[:-1]
        case Damage.LENGTHENED:
            return data + bytes(256)


def _files_in(drill_cluster: DrillCluster, folder: str) -> list[Path]:
    return [p for root in drill_cluster.roots.values() for p in files_below(root / folder)]


def _empty(root: Path) -> None:
    for entry in root.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)


def _names(root: Path) -> set[str]:
    return {str(p.relative_to(root)) for p in root.glob("[1-9]*/??/*")}


def _swap(one: Path, other: Path) -> None:
    temporary = one.with_name("temporary")
    one.rename(temporary)
    other.rename(one)
    temporary.rename(other)
