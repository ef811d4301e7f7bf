"""Requests without a body to several nodes, where slow ones cannot delay the others for long."""

import asyncio

import pytest

from storagemaster.mirrors.fan_out import StalledError, run_all
from tests.storagemaster.manual_clock import JumpingClockLoop

PATIENCE = 0.7


@pytest.fixture(name="runner", autouse=True)
def _runner():
    """Return a loop with a jumping clock, which must have no other task at the end."""
    with asyncio.Runner(loop_factory=JumpingClockLoop) as runner:
        yield runner
        assert runner.run(other_tasks()) == set()


async def other_tasks():
    """Return the other tasks of this loop, after cancelled ones have ended."""
    await asyncio.sleep(0)
    return asyncio.all_tasks() - {asyncio.current_task()}


class Refused(Exception):
    """Raised by a request that fails."""


async def failing_at_once():
    """Fail."""
    raise Refused


async def request_returning_after(seconds, ended=None):
    """Return 1 after a while, and record the end of the cleanup."""
    try:
        await asyncio.sleep(seconds)
        return 1
    finally:
        if ended is not None:
            await asyncio.sleep(0.2)
            ended.append(seconds)


async def test_requests_without_a_body_run_side_by_side():
    """A result takes as long as the slowest request, and is in the order of the requests."""
    clock = asyncio.get_running_loop().time
    requests = [request_returning_after(3), failing_at_once(), request_returning_after(3.5)]
    outcomes = await run_all(requests, patience_seconds=[PATIENCE] * len(requests))
    assert outcomes[::2] == [1, 1]
    assert isinstance(outcomes[1], Refused)
    assert clock() == pytest.approx(3.5)


async def test_requests_that_hang_share_one_patience_after_the_first_success():
    """They are cancelled, and their cleanup completes."""
    clock, ended = asyncio.get_running_loop().time, []
    requests = [request_returning_after(seconds, ended) for seconds in (1, 60, 70)]
    outcomes = await run_all(requests, patience_seconds=[PATIENCE] * len(requests))
    assert outcomes[0] == 1
    assert [type(outcome) for outcome in outcomes[1:]] == [StalledError] * 2
    assert sorted(ended) == [1, 60, 70]
    assert clock() == pytest.approx(1 + 0.2 + PATIENCE + 0.2)


async def test_each_request_is_given_up_after_its_own_patience():
    """The shortest first, in whatever order a set of them is."""
    loop, given_up = asyncio.get_running_loop(), {}

    async def hanging(patience):
        try:
            await asyncio.sleep(60)
        finally:
            given_up[patience] = loop.time()

    patience = [8.0, 1.0, 3.0]
    requests = [request_returning_after(0), *map(hanging, patience)]
    await run_all(requests, patience_seconds=[PATIENCE, *patience])
    assert given_up == pytest.approx({each: each for each in patience})


async def test_every_request_has_a_patience():
    """Another number of them is an error of the caller."""
    with pytest.raises(ValueError, match="zip"):
        await run_all([], patience_seconds=[PATIENCE])


@pytest.mark.parametrize("after_seconds", [0, 0.5, 1.5])
async def test_cancellation_cancels_requests_without_a_body(after_seconds):
    """A client that leaves takes its requests with it, and their cleanup completes."""
    ended = []
    requests = [request_returning_after(seconds, ended) for seconds in (1, 60)]
    working = asyncio.create_task(run_all(requests, patience_seconds=[PATIENCE] * len(requests)))
    await asyncio.sleep(0)
    await asyncio.sleep(after_seconds)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert sorted(ended) == [1, 60]
    assert await other_tasks() == set()


async def after(seconds):
    """Return the seconds after that time."""
    await asyncio.sleep(seconds)
    return seconds


async def test_each_request_has_its_own_patience_after_the_first_success():
    """A request with a long patience does not extend that of another one."""
    started = asyncio.get_running_loop().time()
    requests = [after(1), after(100), after(4), after(100)]
    outcomes = await run_all(requests, patience_seconds=[0.7, 0.7, 5, 5])
    assert [outcomes[0], outcomes[2]] == [1, 4]
    assert all(isinstance(outcomes[at], StalledError) for at in (1, 3))
    assert asyncio.get_running_loop().time() - started == pytest.approx(6)
    outcomes = await run_all([after(1), after(100)], patience_seconds=[5, 0.7])
    assert asyncio.get_running_loop().time() - started == pytest.approx(6 + 1.7)
