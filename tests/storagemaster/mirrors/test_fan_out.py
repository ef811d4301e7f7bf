"""Fan-out: one body to several sends, where a slow one cannot delay the others for long."""

import asyncio

import pytest

from storagemaster.mirrors.fan_out import (
    ALL_IDLE_SECONDS,
    CHUNKS_AHEAD_MAX,
    StalledError,
    fan_out,
)
from tests.storagemaster.manual_clock import JumpingClockLoop

PATIENCE = 0.7
CHUNKS = [bytes([number]) * 100 for number in range(40)]
WHOLE = b"".join(CHUNKS)


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
    """Raised by a send that fails."""


class BodyBroke(Exception):
    """Raised by a body that breaks off."""


async def whole_body(chunks=CHUNKS):
    """Yield a body without pauses."""
    for chunk in chunks:
        yield chunk


async def body_that_breaks(after):
    """Yield a body that raises in the middle."""
    for chunk in CHUNKS[:after]:
        yield chunk
    raise BodyBroke


async def body_that_trickles(seconds):
    """Yield a body with a pause before each chunk."""
    for chunk in CHUNKS:
        await asyncio.sleep(seconds)
        yield chunk


async def taking_all(body):
    """Read the whole body and return it."""
    return b"".join([chunk async for chunk in body])


async def failing_at_once(_):
    """Fail without reading."""
    raise Refused


async def silent_after_the_body(body):
    """Read the whole body and never return."""
    await taking_all(body)
    await asyncio.Event().wait()


def freezing_after(count):
    """Return a send that reads `count` chunks, and then hangs."""

    async def send(body):
        for _ in range(count):
            await anext(body)
        await asyncio.Event().wait()

    return send


def failing_after(count):
    """Return a send that reads `count` chunks, and then fails."""

    async def send(body):
        for _ in range(count):
            await anext(body)
        raise Refused

    return send


def taking_one_every(seconds):
    """Return a send that is slow, but steady."""

    async def send(body):
        taken = []
        async for chunk in body:
            await asyncio.sleep(seconds)
            taken.append(chunk)
        return b"".join(taken)

    return send


def taking_one_after(seconds):
    """Return a send that stalls once, and then reads everything."""

    async def send(body):
        await asyncio.sleep(seconds)
        return await taking_all(body)

    return send


def returning_after(seconds):
    """Return a send that reads everything, and returns after a while."""

    async def send(body):
        taken = await taking_all(body)
        await asyncio.sleep(seconds)
        return taken

    return send


async def run(*sends, body=None):
    """Return the outcomes of the sends, and the time that passed."""
    clock = asyncio.get_running_loop().time
    started = clock()
    outcomes = await fan_out(body or whole_body(), sends, patience_seconds=PATIENCE)
    return outcomes, clock() - started


async def test_every_send_gets_the_whole_body_in_order():
    """Each send gets the same chunks."""
    outcomes, seconds = await run(taking_all, taking_all, taking_all)
    assert outcomes == [WHOLE] * 3
    assert seconds == 0


async def test_empty_body_ends_at_once():
    """Sends without a body simply run concurrently."""
    outcomes, _ = await run(taking_all, taking_all, body=whole_body([]))
    assert outcomes == [b"", b""]


async def test_outcomes_are_in_the_order_of_the_sends():
    """The order in which sends end does not matter."""
    outcomes, _ = await run(returning_after(0.3), failing_at_once, returning_after(0.1))
    assert outcomes[0] == outcomes[2] == WHOLE
    assert isinstance(outcomes[1], Refused)


@pytest.mark.parametrize("count", [0, 1, CHUNKS_AHEAD_MAX, 30])
async def test_send_that_hangs_costs_exactly_its_patience(count):
    """The other sends complete."""
    outcomes, seconds = await run(taking_all, freezing_after(count), taking_all)
    assert outcomes[0] == outcomes[2] == WHOLE
    assert isinstance(outcomes[1], StalledError)
    assert seconds == pytest.approx(PATIENCE)


@pytest.mark.parametrize("counts", [(3, 3), (3, 20), (20, 3), (0, 39), (3, 40)])
async def test_two_sends_that_hang_share_one_patience(counts):
    """Mirrors that freeze at different chunks cost no more than one of them."""
    first, second = (freezing_after(count) for count in counts)
    outcomes, seconds = await run(first, taking_all, second)
    assert outcomes[1] == WHOLE
    assert [type(outcome) for outcome in outcomes[::2]] == [StalledError] * 2
    assert seconds == pytest.approx(PATIENCE)


async def test_patience_that_was_used_within_the_body_is_missing_at_its_end():
    """A send that was slow for 0.5 s is awaited for 0.2 s more."""

    async def slow_and_silent(body):
        await taking_one_after(0.5)(body)
        await asyncio.Event().wait()

    outcomes, seconds = await run(slow_and_silent, taking_all)
    assert isinstance(outcomes[0], StalledError)
    assert outcomes[1] == WHOLE
    assert seconds == pytest.approx(PATIENCE)


async def test_sends_that_are_slow_at_once_are_charged_once():
    """Two that wait for 0.5 s side by side use 0.5 s of the patience."""
    slow = taking_one_after(0.5)
    outcomes, seconds = await run(slow, taking_all, slow)
    assert outcomes == [WHOLE] * 3
    assert seconds == pytest.approx(0.5)


async def test_third_send_that_keeps_up_is_not_given_up():
    """Only the sends that lag are."""
    outcomes, _ = await run(
        freezing_after(3), freezing_after(20), taking_one_every(0.1), body=body_that_trickles(0.1)
    )
    assert [type(outcome) for outcome in outcomes[:2]] == [StalledError] * 2
    assert outcomes[2] == WHOLE


async def test_send_that_never_returns_costs_its_patience_after_the_first_success():
    """Reading the whole body does not count as success."""
    outcomes, seconds = await run(silent_after_the_body, returning_after(2))
    assert isinstance(outcomes[0], StalledError)
    assert outcomes[1] == WHOLE
    assert seconds == pytest.approx(2 + PATIENCE)


async def test_first_success_can_take_longer_than_the_patience():
    """A slow fsync of all nodes is not a stall."""
    outcomes, seconds = await run(returning_after(5), returning_after(5.5))
    assert outcomes == [WHOLE, WHOLE]
    assert seconds == pytest.approx(5.5)


async def test_failure_does_not_start_the_patience_of_the_others():
    """Only a success does."""
    outcomes, _ = await run(failing_at_once, returning_after(5))
    assert isinstance(outcomes[0], Refused)
    assert outcomes[1] == WHOLE


async def test_failure_just_before_the_bound_does_not_shorten_it():
    """The last send has its whole time for a success."""

    async def failing_late(body):
        await taking_all(body)
        await asyncio.sleep(ALL_IDLE_SECONDS - 0.5)
        raise Refused

    outcomes, _ = await run(failing_late, returning_after(ALL_IDLE_SECONDS + 0.5))
    assert isinstance(outcomes[0], Refused)
    assert outcomes[1] == WHOLE


async def test_wait_for_sends_that_all_hang_is_bounded():
    """Every send ends in a StalledError."""
    outcomes, seconds = await run(silent_after_the_body, silent_after_the_body)
    assert [type(outcome) for outcome in outcomes] == [StalledError] * 2
    assert seconds == pytest.approx(ALL_IDLE_SECONDS + PATIENCE)


async def test_wait_for_sends_that_all_hang_within_the_body_is_bounded():
    """Every send ends in a StalledError."""
    outcomes, seconds = await run(freezing_after(2), freezing_after(7))
    assert [type(outcome) for outcome in outcomes] == [StalledError] * 2
    assert seconds == pytest.approx(ALL_IDLE_SECONDS + PATIENCE)


async def test_equally_slow_sends_are_not_charged():
    """Disks that are slower than the client are not stalled."""
    outcomes, seconds = await run(taking_one_every(0.5), taking_one_every(0.5))
    assert outcomes == [WHOLE, WHOLE]
    assert seconds == pytest.approx(0.5 * len(CHUNKS))


async def test_sends_that_waited_for_the_body_are_not_charged_later():
    """A send that has received its chunk is not starved any more."""

    async def body_that_begins_late():
        await asyncio.sleep(1)
        for chunk in CHUNKS:
            yield chunk

    slow = taking_one_every(0.5)
    outcomes, _ = await run(slow, slow, slow, body=body_that_begins_late())
    assert outcomes == [WHOLE] * 3


async def test_alternating_sends_are_not_charged():
    """A lag of half a chunk does not add up."""

    async def half_a_chunk_later(body):
        await asyncio.sleep(0.25)
        return await taking_one_every(0.5)(body)

    outcomes, _ = await run(taking_one_every(0.5), half_a_chunk_later)
    assert outcomes == [WHOLE, WHOLE]


async def test_only_remaining_send_can_be_slow():
    """It delays no other send after the others have failed."""
    outcomes, _ = await run(taking_one_every(0.5), failing_after(3))
    assert outcomes[0] == WHOLE
    assert isinstance(outcomes[1], Refused)


async def test_slightly_slower_send_completes():
    """Its total lag is within its patience."""
    outcomes, seconds = await run(taking_one_every(0.100), taking_one_every(0.110))
    assert outcomes == [WHOLE, WHOLE]
    assert seconds == pytest.approx(0.110 * len(CHUNKS))


async def test_much_slower_send_is_given_up():
    """Its delays add up over all chunks."""
    outcomes, seconds = await run(taking_one_every(0.05), taking_one_every(0.2))
    assert outcomes[0] == WHOLE
    assert isinstance(outcomes[1], StalledError)
    assert seconds <= 0.05 * len(CHUNKS) + PATIENCE + 0.2


async def test_slow_body_is_not_charged_to_the_sends():
    """The pauses of the client do not count."""
    outcomes, _ = await run(taking_all, taking_one_every(0.5), body=body_that_trickles(2))
    assert outcomes == [WHOLE, WHOLE]


async def test_send_can_end_before_the_body():
    """A node can reject or store a file before it has read the whole body."""

    async def returning_early(body):
        await anext(body)
        return "early"

    outcomes, seconds = await run(returning_early, taking_all)
    assert outcomes == ["early", WHOLE]
    assert seconds == 0


async def test_body_that_breaks_off_ends_for_no_send():
    """No send mistakes the part for the whole."""
    ends = []

    async def record_end(body):
        ends.append(await taking_all(body))

    with pytest.raises(BodyBroke):
        await run(record_end, record_end, body=body_that_breaks(20))
    assert ends == []


async def test_body_that_breaks_off_leaves_no_task():
    """A send that hangs is cancelled."""
    with pytest.raises(BodyBroke):
        await run(freezing_after(1), taking_all, body=body_that_breaks(5))
    assert await other_tasks() == set()


@pytest.mark.parametrize("after_seconds", [0, 0.3, 5])
async def test_cancellation_leaves_no_task(after_seconds):
    """It can come while feeding, waiting for a full branch, or waiting for outcomes."""
    working = asyncio.create_task(
        run(freezing_after(1), taking_one_every(1), silent_after_the_body)
    )
    await asyncio.sleep(after_seconds)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await other_tasks() == set()


async def test_send_that_is_given_up_has_ended_on_return():
    """Its cleanup completes first, so no connection outlives the upload."""
    ended = []

    async def cleaning_up(body):
        try:
            await freezing_after(1)(body)
        finally:
            await asyncio.sleep(0.2)
            ended.append(True)

    await run(cleaning_up, taking_all)
    assert ended == [True]


async def test_buffered_chunks_are_bounded():
    """A send that hangs buffers only a few chunks."""
    ahead = []
    taken = 0

    async def counted():
        for given, chunk in enumerate(CHUNKS, 1):
            yield chunk
            ahead.append(given - taken)

    async def counting(body):
        nonlocal taken
        async for _ in body:
            taken += 1
            await asyncio.sleep(0.01)

    await run(counting, body=counted())
    assert max(ahead) <= CHUNKS_AHEAD_MAX + 1
