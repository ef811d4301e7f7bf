"""Supervision of processes: start, readiness, restart after a crash, and orderly stop."""

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
# Backoff between restarts, so that a process that fails at once does not restart in a loop.
RESTART_SECONDS_MIN = 0.5
RESTART_SECONDS_MAX = 10.0
LOG_TAIL_BYTES = 2000


class ProcessFailed(Exception):
    """A process that did not become ready. The message has what it logged since its start."""


class StartFailed(Exception):
    """Processes that did not start, although the start of all others was attempted."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        """Take the reason for each process, by its name."""
        super().__init__("\n".join(reasons.values()))
        self.reasons = reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPlan:
    """The command of a process, and its readiness check."""

    name: str
    colo: str
    """Empty for a process that both colos share."""
    argv: Sequence[str]
    log: Path
    is_ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 0
    """Processes of one stage start in parallel, after all of the earlier stages are ready."""


class SupervisedProcess:
    """A process that is restarted until it is stopped."""

    def __init__(self, plan: ProcessPlan, *, ready_seconds_max: float = READY_SECONDS_MAX) -> None:
        self.plan = plan
        self._ready_seconds_max = ready_seconds_max
        self.restarts = 0
        self._log_start = 0
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, or None if the process is not running."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Start the process, and return when it is ready. One that already runs is stopped first.

        Raises:
            ProcessFailed: The process ended, or was not ready in time.
            OSError: The program or its log cannot be opened.
        """
        await self.stop()
        process = await self._spawn()
        deadline = time.monotonic() + self._ready_seconds_max
        while not await self.plan.is_ready():
            if process.returncode is not None:
                await self._fail(f"exited with status {process.returncode} before it was ready")
            if time.monotonic() > deadline:
                seconds = f"{self._ready_seconds_max:g} s"
                await self._fail(f"was not ready after {seconds}; try again if the disk is slow")
            await asyncio.sleep(POLL_SECONDS)
        self._supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """Stop the process, and return when it and all its children have ended."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            # Ignore its result: a failed restart must not prevent the stop of the other processes.
            await asyncio.wait([self._supervisor])
            self._supervisor = None
        process, self._process = self._process, None
        if process is None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
        # End children that outlive their parent, and a parent that ignores SIGTERM.
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()

    async def _spawn(self) -> asyncio.subprocess.Process:
        with self.plan.log.open("ab") as log:
            self._log_start = log.tell()
            process = await asyncio.create_subprocess_exec(
                *_die_with_parent(),
                *self.plan.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.plan.environment},
                # A group of its own: Ctrl-C must reach only the supervisor, which stops in order.
                start_new_session=True,
            )
        self._process = process
        return process

    async def _supervise(self) -> None:
        pause_seconds = RESTART_SECONDS_MIN
        while self._process is not None:
            started = time.monotonic()
            await self._process.wait()
            # Orphaned children still hold the port.
            _signal_group(self._process.pid, signal.SIGKILL)
            if time.monotonic() - started > RESTART_SECONDS_MAX:
                pause_seconds = RESTART_SECONDS_MIN
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, RESTART_SECONDS_MAX)
            self.restarts += 1
            await self._spawn()

    async def _fail(self, how: str) -> NoReturn:
        await self.stop()
        raise ProcessFailed(f"{self.plan.name} {how}\n{self._log_tail()}")

    def _log_tail(self) -> str:
        try:
            logged = self.plan.log.read_bytes()[self._log_start :]
        except OSError:
            logged = b""
        tail = logged[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        if not tail:
            return f"It logged nothing to {self.plan.log}."
        return f"Last lines of {self.plan.log}:\n{tail}"


def _die_with_parent() -> list[str]:
    """Return a prefix that ends the process when its parent dies, if util-linux is installed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
