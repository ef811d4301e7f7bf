"""A deterministic event loop with a virtual clock and synchronous threads.

The loop makes no system call, so that the same work always runs in the same order.
"""

import asyncio
from collections.abc import Callable
from typing import Any


class Deadlock(Exception):
    """All tasks wait, and no timer is set."""


class _VirtualTime:
    """Selector that advances the clock instead of waiting."""

    def __init__(self) -> None:
        self.now_seconds = 0.0

    def select(self, timeout: float | None) -> list[Any]:
        """Advance the clock by the timeout."""
        if timeout is None:
            raise Deadlock
        if timeout > 0:
            self.now_seconds += timeout
        return []

    def close(self) -> None:
        """Do nothing."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Event loop with a virtual clock that starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _VirtualTime()
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._selector.now_seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Call the function now, and deliver its result after the executor's delay."""
        future = self.create_future()
        delay_seconds = executor.delay_seconds() if executor is not None else 0.0
        try:
            result = func(*args)
        except BaseException as error:  # noqa: BLE001 - a future carries any error
            self._resolve(future, delay_seconds, future.set_exception, error)
        else:
            self._resolve(future, delay_seconds, future.set_result, result)
        return future

    def _resolve(
        self,
        future: asyncio.Future[Any],
        delay_seconds: float,
        give: Callable[[Any], None],
        what: Any,
    ) -> None:
        if delay_seconds:
            self.call_later(delay_seconds, lambda: future.cancelled() or give(what))
        else:
            give(what)

    def _process_events(self, event_list: list[Any]) -> None:
        """Do nothing: this loop has no events."""

    def _write_to_self(self) -> None:
        """Do nothing: the loop never sleeps."""
