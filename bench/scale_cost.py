"""The cost of one step at 1x and at 10x of its work."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds of one step, at 1x and at 10x of its work."""

    what: str
    unit: str
    work: tuple[int, int]
    seconds: tuple[float, float]

    @property
    def exponent(self) -> float:
        """The power of the work that the cost grows with."""
        ratio = self.seconds[1] / max(self.seconds[0], 1e-9)
        return math.log(max(ratio, 1e-9)) / math.log(self.work[1] / self.work[0])

    def __str__(self) -> str:
        each = [
            f"{seconds:9.3f} s for {work:>9,} {self.unit}"
            for seconds, work in zip(self.seconds, self.work, strict=True)
        ]
        return f"{self.what:<44}{each[0]}{each[1]}   exponent {self.exponent:5.2f}"
