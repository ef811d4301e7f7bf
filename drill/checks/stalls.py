"""Stalls of the machine. A failure during a stall does not count against the cluster.

Load, links, and the cluster's processes share the machine with other programs. A late timer of
the drill shows that everything on its links was late as well.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from drill.history import SECOND, now_ns
from runtime.tasks_beside import run_beside

TICK_SECONDS = 0.05
LATE_SECONDS = 0.25
"""Half of the time after which a storagemaster considers a silent node down."""
AFTERMATH_SECONDS = 6.0
"""An edge avoids a failed node for 5 s."""


@dataclass(frozen=True, slots=True)
class Stall:
    """An interval in which the drill's timer did not fire."""

    begun_ns: int
    ended_ns: int

    def may_have_failed(self, begun_ns: int, ended_ns: int) -> bool:
        """Return True if an operation in this interval may have failed because of the stall."""
        over = self.ended_ns + int(AFTERMATH_SECONDS * SECOND)
        return self.begun_ns <= ended_ns and begun_ns <= over


@contextlib.asynccontextmanager
async def detect_stalls() -> AsyncIterator[Sequence[Stall]]:
    """Record the stalls until the block exits."""
    stalls: list[Stall] = []

    async def watch() -> None:
        while True:
            due = now_ns() + int(TICK_SECONDS * SECOND)
            await asyncio.sleep(TICK_SECONDS)
            if now_ns() - due > LATE_SECONDS * SECOND:
                stalls.append(Stall(due, now_ns()))

    async with run_beside(watch()):
        yield stalls
