"""An event loop without a world outside: its clock jumps, and its threads are no threads.

Nothing here asks the system for anything, so that the same work is always done in the same order.
"""

import asyncio
from collections.abc import Callable
from typing import Any


class NothingWillHappen(Exception):
    """Everything waits, and for nothing that has a time."""


class _VirtualTime:
    """Stands where a loop has its selector: instead of waiting, it moves the clock forward."""

    def __init__(self) -> None:
        self.now_seconds = 0.0

    def select(self, timeout: float | None) -> list[Any]:
        """Let time go by."""
        if timeout is None:
            raise NothingWillHappen
        if timeout > 0:
            self.now_seconds += timeout
        return []

    def close(self) -> None:
        """There is nothing to close."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs coroutines by a clock of its own. It begins at zero."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _VirtualTime()
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Seconds that were waited since the loop was made."""
        return self._selector.now_seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Do it here and now; who waits for the answer may wait a while."""
        answer = self.create_future()
        delay_seconds = executor.delay_seconds() if executor is not None else 0.0
        try:
            result = func(*args)
        except BaseException as error:  # noqa: BLE001 - as a thread does, whatever it is
            self._give(answer, delay_seconds, answer.set_exception, error)
        else:
            self._give(answer, delay_seconds, answer.set_result, result)
        return answer

    def _give(
        self,
        answer: asyncio.Future[Any],
        delay_seconds: float,
        give: Callable[[Any], None],
        what: Any,
    ) -> None:
        if delay_seconds:
            self.call_later(delay_seconds, lambda: answer.cancelled() or give(what))
        else:
            give(what)

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody is asleep who has to be woken."""
