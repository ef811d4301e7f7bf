"""The age of a node's hints, without a read of their files."""


class HintsAge:
    """The time since the node last held no hint. It begins again with each start of the node."""

    def __init__(self) -> None:
        self._since_seconds: float | None = None

    def seconds(self, hints: int, now_seconds: float) -> float:
        """Return the age at a moment with this number of hints; 0 without hints."""
        if not hints:
            self._since_seconds = None
            return 0.0
        if self._since_seconds is None:
            self._since_seconds = now_seconds
        return max(0.0, now_seconds - self._since_seconds)
