"""A clock that stands still until it is told."""


class FakeClock:
    """Seconds since 1970; called like `time.time`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        """What it shows."""
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self.seconds += seconds
