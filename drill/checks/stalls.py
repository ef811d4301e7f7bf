"""When the machine had no time for a drill: what fails then says nothing of the cluster.

Load, links and the cluster's processes share the machine with whatever else runs on it. When a
timer of the drill's own is late by far, so was everything that went through its links.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from drill.history import SECOND, now_ns

TICK_SECONDS = 0.05
LATE_SECONDS = 0.25
"""Half of what a node may take to say how it is, before it counts as down."""
AFTERMATH_SECONDS = 6.0
"""An edge leaves a node that gave no answer alone for 5 s."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A time in which the drill's own timer did not fire."""

    begun_ns: int
    ended_ns: int

    def may_have_failed(self, begun_ns: int, ended_ns: int) -> bool:
        """Whether what happened in this time may have failed because of it."""
        over = self.ended_ns + int(AFTERMATH_SECONDS * SECOND)
        return self.begun_ns <= ended_ns and begun_ns <= over


@contextlib.asynccontextmanager
async def detect_stalls() -> AsyncIterator[Sequence[Stall]]:
    """The stalls of the block, as they end."""
    stalls: list[Stall] = []

    async def watch() -> None:
        while True:
            due = now_ns() + int(TICK_SECONDS * SECOND)
            await asyncio.sleep(TICK_SECONDS)
            if now_ns() - due > LATE_SECONDS * SECOND:
                stalls.append(Stall(due, now_ns()))

    task = asyncio.create_task(watch())
    try:
        yield stalls
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
