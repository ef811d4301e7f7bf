"""A clock that moves only on request."""


class FakeClock:
    """Seconds since 1970. Call it as `time.time`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        """Return the present time."""
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.seconds += seconds
