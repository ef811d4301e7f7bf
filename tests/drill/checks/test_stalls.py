"""Detection of stalls."""

import asyncio
import time

from drill.checks.stalls import LATE_SECONDS, detect_stalls
from drill.history import SECOND


def test_a_blocked_loop_is_a_stall():
    """A stall lasts from the time at which the timer was due until it fired."""

    async def block_the_loop():
        async with detect_stalls() as stalls:
            asyncio.get_running_loop().call_soon(time.sleep, 2 * LATE_SECONDS)
            # The timer of the detector is due before this one.
            await asyncio.sleep(4 * LATE_SECONDS)
        return stalls[0]

    stall = asyncio.run(block_the_loop())
    assert stall.ended_ns - stall.begun_ns > LATE_SECONDS * SECOND
