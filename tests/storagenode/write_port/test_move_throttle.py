"""A node receives files of moves at its own rate, and repairs go first."""

import asyncio

import pytest

from storagenode.protocol.errors import Throttled
from storagenode.write_port.move_throttle import MoveThrottle
from tests.simulation.virtual_loop import VirtualLoop

MB = 1_000_000


@pytest.fixture(name="loop")
def _loop():
    """Return a loop with its own clock."""
    loop = VirtualLoop()
    yield loop
    loop.close()


def test_the_rate_counts_the_copies_of_all_senders(loop):
    """Copies begin when the bytes before them are paid, and one that would wait long is refused."""

    async def run():
        throttle, begun, refused = MoveThrottle(MB), [], 0

        async def one():
            nonlocal refused
            try:
                async with throttle.receiving(MB // 2):
                    begun.append(loop.time())
            except Throttled:
                refused += 1

        await asyncio.gather(*(one() for _ in range(8)))
        return begun, refused

    assert loop.run_until_complete(run()) == ([0.0, 0.25, 0.75], 5)


@pytest.mark.parametrize("seconds", [8, 60])
def test_a_sender_that_tries_again_gets_the_whole_rate_and_no_more(loop, seconds):
    """Refusals cost nothing of the budget, and a short move has no large burst either."""

    async def run():
        throttle, received = MoveThrottle(MB), 0
        while loop.time() < seconds:
            try:
                async with throttle.receiving(MB // 4):
                    received += MB // 4
            except Throttled:
                await asyncio.sleep(0.3)
        return received / seconds

    assert loop.run_until_complete(run()) == pytest.approx(MB, rel=0.07)


def test_moves_wait_while_a_repair_is_received(loop):
    """A repair is never delayed."""

    async def run():
        throttle = MoveThrottle(MB)
        async with throttle.receiving(0), throttle.receiving(0):
            with pytest.raises(Throttled):
                async with throttle.receiving(1):
                    pass
        async with throttle.receiving(1):
            return loop.time()

    assert loop.run_until_complete(run()) == 0.0
