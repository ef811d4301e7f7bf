"""Stalls: what the drill's own timer says of the machine."""

import asyncio
import time

from drill.checks.stalls import LATE_SECONDS, detect_stalls
from drill.history import SECOND


def test_a_loop_that_is_held_up_is_a_stall():
    """From when the timer was due to when it fired."""

    async def be_held_up():
        async with detect_stalls() as stalls:
            asyncio.get_running_loop().call_soon(time.sleep, 2 * LATE_SECONDS)
            # The watch's timer is due before this one.
            await asyncio.sleep(4 * LATE_SECONDS)
        return stalls[0]

    stall = asyncio.run(be_held_up())
    assert stall.ended_ns - stall.begun_ns > LATE_SECONDS * SECOND
