"""Processes kept running: started, watched, started again when they die, stopped in good order."""

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

READY_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 10.0
POLL_SECONDS = 0.05
# A process that dies at once is not started in a tight loop.
RESTART_SECONDS_MIN = 0.5
RESTART_SECONDS_MAX = 10.0
LOG_TAIL_BYTES = 2000


class ProcessFailed(Exception):
    """A process did not come up; the message has the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPlan:
    """How a process is run, and how to tell that it is ready."""

    name: str
    colo: str
    """Empty for what both colos share."""
    argv: Sequence[str]
    log: Path
    is_ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 0
    """It is started side by side with those of its stage, when all of earlier ones are ready."""


class SupervisedProcess:
    """One process that is to run until it is stopped."""

    def __init__(self, plan: ProcessPlan, *, ready_seconds_max: float = READY_SECONDS_MAX) -> None:
        self.plan = plan
        self._ready_seconds_max = ready_seconds_max
        self.restarts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._cold_node: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Return when the process is ready.

        Raises:
            ProcessFailed: It died, or was not ready in time.
        """
        process = await self._spawn()
        deadline = time.monotonic() + self._ready_seconds_max
        while not await self.plan.is_ready():
            if process.returncode is not None:
                await self._fail(f"ended with status {process.returncode} before it was ready")
            if time.monotonic() > deadline:
                seconds = f"{self._ready_seconds_max:g} s"
                await self._fail(f"was not ready after {seconds}, as on a slow disk; try again")
            await asyncio.sleep(POLL_SECONDS)
        self._cold_node = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Return when the process and all its children are gone."""
        if self._cold_node is not None:
            self._cold_node.cancel()
            # Not its outcome: who could not be started anew is no reason to leave others.
            await asyncio.wait([self._cold_node])
            self._cold_node = None
        process, self._process = self._process, None
        if process is None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
        # Children that outlive their parent, and a parent that does not end.
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()

    async def _spawn(self) -> asyncio.subprocess.Process:
        with self.plan.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *_dying_with_parent(),
                *self.plan.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.plan.environment},
                # A group of its own: Ctrl-C is for us, and we stop the others in order.
                start_new_session=True,
            )
        self._process = process
        return process

    async def _keep(self) -> None:
        pause_seconds = RESTART_SECONDS_MIN
        while self._process is not None:
            started = time.monotonic()
            await self._process.wait()
            # Its orphans have its port, and nobody who would tell them to let go of it.
            _signal_group(self._process.pid, signal.SIGKILL)
            if time.monotonic() - started > RESTART_SECONDS_MAX:
                pause_seconds = RESTART_SECONDS_MIN
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, RESTART_SECONDS_MAX)
            self.restarts += 1
            await self._spawn()

    async def _fail(self, how: str) -> NoReturn:
        await self.stop()
        raise ProcessFailed(f"{self.plan.name} {how}. {self._log_tail()}")

    def _log_tail(self) -> str:
        try:
            tail = self.plan.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        except OSError:
            tail = ""
        return f"The end of {self.plan.log}:\n{tail}" if tail else f"{self.plan.log} is empty."


def _dying_with_parent() -> list[str]:
    """What makes the kernel end a process whose parent was killed, where util-linux is there."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
