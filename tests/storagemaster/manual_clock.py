"""Event loop whose clock jumps: waiting takes no time, and an endless wait is an error."""

import asyncio
import selectors


class NothingWillHappen(Exception):
    """Every task waits, and none of them for a time."""


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that moves its clock forward instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise NothingWillHappen
            self.now_seconds += max(0.0, timeout)
        return ready


class JumpingClockLoop(asyncio.SelectorEventLoop):
    """An event loop with its own clock, for coroutines without real I/O."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the seconds that tasks have waited since the loop was created."""
        return self._jumping.now_seconds
