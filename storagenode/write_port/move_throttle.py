"""The rate at which a node receives files of volumes that move to it.

The limit is the receiver's, so that storagemasters do not add up. Files of repairs go first: while
the node receives one, it refuses files of moves, and the storagemaster tries them again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from runtime.byte_budget import ByteBudget
from storagenode.protocol.errors import Throttled
from storagenode.protocol.wire import MOVE_DELAY_SECONDS_MAX

# The rate of a move of some seconds is near its limit too.
BURST_SECONDS_MAX = 0.25


class MoveThrottle:
    """The budget of one node for moves."""

    def __init__(self, bytes_per_second: int) -> None:
        self._budget = ByteBudget(
            bytes_per_second, clock=_loop_seconds, burst_seconds_max=BURST_SECONDS_MAX
        )
        self._repairs = 0

    @contextlib.asynccontextmanager
    async def receiving(self, move_bytes: int) -> AsyncIterator[None]:
        """Run the block as a copy of a move with these bytes, or of a repair with 0.

        Raises:
            Throttled: Another copy goes first.
        """
        if not move_bytes:
            self._repairs += 1
            try:
                yield
            finally:
                self._repairs -= 1
            return
        if self._repairs or self._budget.delay_seconds() > MOVE_DELAY_SECONDS_MAX:
            raise Throttled("this node receives as much as it may, and repairs go first")
        await asyncio.sleep(self._budget.use(move_bytes))
        yield


def _loop_seconds() -> float:
    return asyncio.get_running_loop().time()
