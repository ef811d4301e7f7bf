"""Timeouts for responses of other machines, without the lag of this process's event loop.

A loop that runs late sees a response late. A timeout by the system clock then ends requests that
had their response in time, and counts the other machine as down, exactly when all processors are
busy.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from types import TracebackType
from typing import Any, Self

import aiohttp

# A lag within one tick counts. Shorter ticks take more processor time during each wait.
TICK_SECONDS = 0.05
# A timer of the loop can fire this much early.
RESOLUTION_SECONDS = 0.001


class LagFreeClock:
    """Clock of the running loop that stops while the loop is late, until the block exits."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lag_seconds = 0.0
        self._next_tick = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._schedule_tick()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def __call__(self) -> float:
        """Return the seconds on this clock, which begins anywhere."""
        return min(self._loop.time(), self._next_tick) - self._lag_seconds

    async def wait(
        self,
        tasks: Collection["asyncio.Task[Any]"],
        *,
        until_seconds: float,
        return_when: str = asyncio.ALL_COMPLETED,
    ) -> None:
        """Wait as `asyncio.wait` does, until a time on this clock."""
        while True:
            left_seconds = max(0.0, until_seconds - self())
            done, pending = await asyncio.wait(tasks, timeout=left_seconds, return_when=return_when)
            is_over = not pending or (done and return_when != asyncio.ALL_COMPLETED)
            if is_over or left_seconds <= RESOLUTION_SECONDS:
                return

    def _schedule_tick(self) -> None:
        self._next_tick = self._loop.time() + TICK_SECONDS
        self._timer = self._loop.call_at(self._next_tick, self._tick)

    def _tick(self) -> None:
        self._lag_seconds += max(0.0, self._loop.time() - self._next_tick)
        self._schedule_tick()


@contextlib.asynccontextmanager
async def lag_free_timeout(seconds: float | None) -> AsyncIterator[None]:
    """Raise `TimeoutError` when the block has taken this long, as `asyncio.timeout` does."""
    if seconds is None:
        yield
        return
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as scope:
        with LagFreeClock() as clock, contextlib.ExitStack() as timers:
            ends_seconds = clock() + seconds

            def check() -> None:
                left_seconds = ends_seconds - clock()
                if left_seconds <= RESOLUTION_SECONDS:
                    scope.reschedule(loop.time())
                else:
                    timers.pop_all()
                    timers.callback(loop.call_later(left_seconds, check).cancel)

            check()
            yield


class LagFreeConnector(aiohttp.TCPConnector):
    """Connector of aiohttp whose requests have `sock_connect` without the lag of the loop."""

    async def _create_connection(
        self,
        req: Any,
        traces: Any,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's own parameter
    ) -> Any:
        async with lag_free_timeout(timeout.sock_connect):
            return await super()._create_connection(req, traces, aiohttp.ClientTimeout())
