"""Faults of processes: killed, down, paused, restarted, and with a wrong clock."""

import asyncio
import contextlib
import dataclasses
import email.utils
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from drill.cluster.drill_cluster import DrillCluster
from drill.faults.evidence import Evidence
from glassplate.local.processes import SupervisedProcess
from volumes.cluster import NodeId

POLL_SECONDS = 0.02
GONE_POLLS_MAX = 500
BACK_SECONDS_MAX = 30.0
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@dataclass(frozen=True, slots=True)
class Killed:
    """Processes are killed together, `times` times. Their supervisor restarts them."""

    names: tuple[str, ...]
    times: int = 1
    every_seconds: float = 2.0

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Kill the processes, and wait after the block until they are ready."""
        for turn in range(self.times):
            if turn:
                await asyncio.sleep(self.every_seconds)
            await asyncio.gather(
                *(_kill(process, evidence) for process in drill_cluster.processes(*self.names))
            )
        yield
        for process in drill_cluster.processes(*self.names):
            await _wait_until_back(process, evidence)


@dataclass(frozen=True, slots=True)
class Down:
    """Processes are down."""

    names: tuple[str, ...]

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Kill the processes, and start them after the block."""
        processes = drill_cluster.processes(*self.names)
        for process in processes:
            pid = process.pid
            if pid is not None:
                os.killpg(pid, signal.SIGKILL)
            await process.stop()
            evidence.add(pid and not is_running(pid), f"{process.plan.name} (pid {pid}) is gone")
        yield
        await drill_cluster.local.start(processes)


@dataclass(frozen=True, slots=True)
class Paused:
    """Processes are stopped, with all their connections open."""

    names: tuple[str, ...]
    with_children: bool = False

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Send SIGSTOP, and SIGCONT after the block."""
        pids: list[int] = []
        for process in drill_cluster.processes(*self.names):
            own = [process.pid] if process.pid else []
            found = own + [c for p in own for c in children_of(p) if self.with_children]
            for pid in found:
                os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(0.05)
            states = {_process_state(pid) for pid in found}
            evidence.add(states == {"T"}, f"{process.plan.name} is stopped, pids {found}")
            pids += found
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True, slots=True)
class ChildrenKilled:
    """The children of a process are killed `times` times. The process must replace them."""

    name: str
    times: int = 3
    every_seconds: float = 1.5

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Kill all children of the process."""
        killed: list[int] = []
        for _ in range(self.times):
            pid = drill_cluster.process(self.name).pid
            for child in children_of(pid) if pid else ():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                    killed.append(child)
            await asyncio.sleep(self.every_seconds)
        gone = [pid for pid in killed if not is_running(pid)]
        evidence.add(killed and gone == killed, f"children {gone} of {self.name} are gone")
        yield


@dataclass(frozen=True, slots=True)
class Restarted:
    """Processes are restarted one after the other, as for a new release."""

    names: tuple[str, ...]

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Stop and start each process in turn."""
        for process in drill_cluster.processes(*self.names):
            before = process.pid
            await process.stop()
            await process.start()
            evidence.add(
                before != process.pid, f"{process.plan.name} was pid {before}, is {process.pid}"
            )
        yield


@dataclass(frozen=True, slots=True)
class ClockSkewed:
    """A process runs with a wrong clock."""

    name: str
    seconds: int

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Restart the process under libfaketime, and without it after the block."""
        process = drill_cluster.process(self.name)
        true_plan = process.plan
        await process.stop()
        process.plan = dataclasses.replace(
            true_plan,
            environment={
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME": f"{self.seconds:+d}s",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            },
        )
        await process.start()
        off = await self._seconds_off(drill_cluster)
        right = off is not None and abs(off - self.seconds) < 5
        evidence.add(right, f"{self.name} sends a Date that is {off} s off")
        yield
        await process.stop()
        process.plan = true_plan
        await process.start()

    async def _seconds_off(self, drill_cluster: DrillCluster) -> int | None:
        cluster = drill_cluster.cluster
        node = cluster.nodes.get(NodeId(self.name))
        address = node.read if node else cluster.masters[self.name].address
        url = f"http://{address}/healthz"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            date = response.headers.get("Date")
        if date is None:
            return None
        return round(email.utils.parsedate_to_datetime(date).timestamp() - time.time())


def children_of(pid: int) -> list[int]:
    """Return the pids of the children of all threads of a process."""
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, listing.read_text().split())
    return found


async def _kill(process: SupervisedProcess, evidence: Evidence) -> None:
    pid = process.pid
    if pid is None:
        await _wait_until_back(process, evidence)
        pid = process.pid
    if pid is None:
        return
    os.kill(pid, signal.SIGKILL)
    for _ in range(GONE_POLLS_MAX):
        if process.pid != pid:
            break
        await asyncio.sleep(POLL_SECONDS)
    evidence.add(process.pid != pid, f"{process.plan.name} (pid {pid}) is gone")


async def _wait_until_back(process: SupervisedProcess, evidence: Evidence) -> None:
    deadline = time.monotonic() + BACK_SECONDS_MAX
    while process.pid is None or not await process.plan.is_ready():
        if time.monotonic() > deadline:
            evidence.add(None, f"{process.plan.name} is ready again")
            return
        await asyncio.sleep(0.1)


def is_running(pid: int) -> bool:
    """Return True if a process exists and is not a zombie."""
    try:
        return _process_state(pid) != "Z"
    except OSError:
        return False


def _process_state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
