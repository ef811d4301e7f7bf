"""Faults of system calls: a full or read-only mount, or errors that strace injects."""

import asyncio
import contextlib
import errno
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from drill.cluster.drill_cluster import SMALL_DISK, DrillCluster
from drill.faults.evidence import Evidence

MEGABYTE = bytes(1024 * 1024)
ATTACH_SECONDS_MAX = 10.0
REMOUNT_TRIES = 200


@dataclass(frozen=True, slots=True)
class DiskFull:
    """The disk of one node has no free byte."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Fill the disk with one file, and remove the file after the block."""
        ballast = drill_cluster.root(SMALL_DISK) / ".staging" / "ballast"
        error = await asyncio.to_thread(_fill_disk, ballast)
        free = os.statvfs(ballast.parent).f_bavail
        evidence.add(error == errno.ENOSPC, f"{SMALL_DISK} returned ENOSPC, {free} blocks are free")
        yield
        ballast.unlink()


@dataclass(frozen=True, slots=True)
class DiskReadOnly:
    """The disk of one node is mounted read-only, as the kernel does after an error."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Remount the disk read-only. After the block, remount it writable and restart the node."""
        root = drill_cluster.root(SMALL_DISK)
        await _remount(root, "ro")
        evidence.add(_error_of_writing(root) == errno.EROFS, f"{SMALL_DISK} returned EROFS")
        yield
        await _remount(root, "rw")
        process = drill_cluster.process(SMALL_DISK)
        await process.stop()
        await process.start()


@dataclass(frozen=True, slots=True)
class CallsFail:
    """System calls of a node fail or are delayed, as on a broken or slow disk.

    `inject` is an option of strace: "error=EIO", "error=ENOSPC" or "delay_enter=500000".
    """

    node: str
    calls: str
    inject: str
    is_restart_needed: bool = True
    """True if the node may reject writes until it restarts."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Attach strace to the running node until the block exits."""
        process = drill_cluster.process(self.node)
        log = drill_cluster.local.data / "log" / f"{self.node}.strace"
        tracer = await asyncio.create_subprocess_exec(
            *("strace", "-f", "-qq", "-p", str(process.pid), "-o", str(log)),
            *("-e", f"trace={self.calls}", "-e", f"inject={self.calls}:{self.inject}"),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        yield
        if tracer.returncode is None:
            tracer.send_signal(signal.SIGINT)
        _, stderr = await asyncio.wait_for(tracer.communicate(), ATTACH_SECONDS_MAX)
        text = log.read_text(errors="replace") if log.exists() else ""
        hit = sum("INJECTED" in line or "DELAYED" in line for line in text.splitlines())
        evidence.add(hit, f"{hit} calls of {self.node} got {self.inject} {stderr.decode().strip()}")
        if self.is_restart_needed:
            await process.stop()
            await process.start()


def _fill_disk(ballast: Path) -> int:
    """Write until the disk is full; return the errno."""
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(MEGABYTE)
            except OSError as error:
                return error.errno or 0


def _error_of_writing(root: Path) -> int:
    try:
        (root / ".staging" / "probe").touch()
    except OSError as error:
        return error.errno or 0
    return 0


async def _remount(root: Path, how: str) -> None:
    """Remount, with retries: an open file keeps a disk writable."""
    for _ in range(REMOUNT_TRIES):
        command = ("mount", "-o", f"remount,{how}", str(root))
        done = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        if await done.wait() == 0:
            return
        await asyncio.sleep(0.02)
