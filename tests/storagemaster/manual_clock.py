"""An event loop whose clock jumps: waiting costs no time, and a wait without end is an error."""

import asyncio
import selectors


class NothingWillHappen(Exception):
    """Everything waits, and for nothing that has a time."""


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting, moves its clock forward."""

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
    """Runs coroutines that talk to nobody outside, in no time, by a clock of its own.

    `time()` is seconds since the loop was made, so it says exactly how long something has waited.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds that were waited since the loop was made."""
        return self._jumping.now_seconds
