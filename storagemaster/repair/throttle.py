"""The budget of background repair: bytes a second, because reads come first."""

import asyncio
from collections.abc import Awaitable, Callable

from storagemaster.repair.tasks import Task

# A small file costs a disk as much as this many bytes do.
STEP_BYTES_MIN = 64 * 1024
# Unused budget is kept for so long, and no longer.
BURST_SECONDS_MAX = 1.0


class RepairThrottle:
    """Has whoever spends too fast wait for as long as it takes."""

    def __init__(
        self,
        bytes_per_second: int,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._free_at: float | None = None

    async def acquire(self, task: Task) -> None:
        """Return when the task may begin."""
        now = (self._clock or asyncio.get_running_loop().time)()
        cost_bytes = max(task.size_bytes, STEP_BYTES_MIN * len(task.steps))
        earliest = now - BURST_SECONDS_MAX
        begins = max(self._free_at if self._free_at is not None else earliest, earliest)
        self._free_at = begins + cost_bytes / self._bytes_per_second
        if begins > now:
            await self._sleep(begins - now)
