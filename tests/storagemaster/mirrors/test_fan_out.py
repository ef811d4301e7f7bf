"""Fan-out: one body to several sends, none of which can hold up the others for long."""

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
PIECES = [bytes([number]) * 100 for number in range(40)]
WHOLE = b"".join(PIECES)


@pytest.fixture(name="runner", autouse=True)
def _runner():
    """A loop whose clock jumps, at the end of which nothing goes on."""
    with asyncio.Runner(loop_factory=JumpingClockLoop) as runner:
        yield runner
        assert runner.run(what_goes_on()) == set()


async def what_goes_on():
    """The other tasks of this loop, after those that were told to end have had their turn."""
    await asyncio.sleep(0)
    return asyncio.all_tasks() - {asyncio.current_task()}


class Refused(Exception):
    """What a send that fails raises."""


class BodyBroke(Exception):
    """What a body that breaks off raises."""


async def whole_body(pieces=PIECES):
    """A body that comes as fast as it is taken."""
    for chunk in pieces:
        yield chunk


async def body_that_breaks(after):
    """A body that raises in the middle."""
    for chunk in PIECES[:after]:
        yield chunk
    raise BodyBroke


async def body_that_trickles(seconds):
    """A body with a pause before each piece."""
    for chunk in PIECES:
        await asyncio.sleep(seconds)
        yield chunk


async def taking_all(body):
    """A send that takes everything at once, and returns it."""
    return b"".join([chunk async for chunk in body])


async def failing_at_once(_):
    """A send that takes nothing."""
    raise Refused


async def silent_after_the_body(body):
    """A send that takes everything and never answers."""
    await taking_all(body)
    await asyncio.Event().wait()


def freezing_after(count):
    """A send that takes so many pieces, and then no more."""

    async def send(body):
        for _ in range(count):
            await anext(body)
        await asyncio.Event().wait()

    return send


def failing_after(count):
    """A send that takes so many pieces, and then fails."""

    async def send(body):
        for _ in range(count):
            await anext(body)
        raise Refused

    return send


def taking_one_every(seconds):
    """A send that is slow, but steady."""

    async def send(body):
        taken = []
        async for chunk in body:
            await asyncio.sleep(seconds)
            taken.append(chunk)
        return b"".join(taken)

    return send


def answering_after(seconds):
    """A send that takes everything, and needs a while to answer."""

    async def send(body):
        taken = await taking_all(body)
        await asyncio.sleep(seconds)
        return taken

    return send


async def run(*sends, body=None):
    """What the sends came to, and how long it took."""
    clock = asyncio.get_running_loop().time
    started = clock()
    outcomes = await fan_out(body or whole_body(), sends, patience_seconds=PATIENCE)
    return outcomes, clock() - started


async def test_every_send_gets_the_whole_body_in_order():
    """What comes in goes out, to each."""
    outcomes, seconds = await run(taking_all, taking_all, taking_all)
    assert outcomes == [WHOLE] * 3
    assert seconds == 0


async def test_an_empty_body_ends_at_once():
    """Sends that have no body to wait for are simply run side by side."""
    outcomes, _ = await run(taking_all, taking_all, body=whole_body([]))
    assert outcomes == [b"", b""]


async def test_outcomes_come_in_the_order_of_the_sends():
    """Which outcome belongs to which send does not depend on who was first."""
    outcomes, _ = await run(answering_after(0.3), failing_at_once, answering_after(0.1))
    assert outcomes[0] == outcomes[2] == WHOLE
    assert isinstance(outcomes[1], Refused)


@pytest.mark.parametrize("count", [0, 1, CHUNKS_AHEAD_MAX, 30])
async def test_a_send_that_freezes_costs_its_patience_and_no_more(count):
    """The others finish; the frozen one is given up after exactly its patience."""
    outcomes, seconds = await run(taking_all, freezing_after(count), taking_all)
    assert outcomes[0] == outcomes[2] == WHOLE
    assert isinstance(outcomes[1], StalledError)
    assert seconds == pytest.approx(PATIENCE)


async def test_two_sends_that_freeze_cost_no_more_than_one():
    """They use up their patience at the same time, not one after the other."""
    outcomes, seconds = await run(freezing_after(3), taking_all, freezing_after(20))
    assert outcomes[1] == WHOLE
    assert [type(outcome) for outcome in outcomes[::2]] == [StalledError] * 2
    assert seconds <= 2 * PATIENCE


async def test_a_send_that_never_answers_costs_its_patience_after_the_first_answer():
    """It took all bytes, but what is not answered is not done."""
    outcomes, seconds = await run(silent_after_the_body, answering_after(2))
    assert isinstance(outcomes[0], StalledError)
    assert outcomes[1] == WHOLE
    assert seconds == pytest.approx(2 + PATIENCE)


async def test_a_first_answer_is_waited_for_without_haste():
    """With nothing to compare it to, a slow fsync is no stall."""
    outcomes, seconds = await run(answering_after(5), answering_after(5.5))
    assert outcomes == [WHOLE, WHOLE]
    assert seconds == pytest.approx(5.5)


async def test_a_failure_is_no_first_answer():
    """That one said no at once does not hurry the other."""
    outcomes, _ = await run(failing_at_once, answering_after(5))
    assert isinstance(outcomes[0], Refused)
    assert outcomes[1] == WHOLE


async def test_when_all_are_silent_the_wait_has_an_end():
    """Nothing is waited for without bound."""
    outcomes, seconds = await run(silent_after_the_body, silent_after_the_body)
    assert [type(outcome) for outcome in outcomes] == [StalledError] * 2
    assert seconds == pytest.approx(ALL_IDLE_SECONDS + PATIENCE)


async def test_when_all_freeze_in_the_middle_the_wait_has_an_end():
    """Nothing is waited for without bound, in the middle of a body either."""
    outcomes, seconds = await run(freezing_after(2), freezing_after(7))
    assert [type(outcome) for outcome in outcomes] == [StalledError] * 2
    assert seconds <= 2 * (ALL_IDLE_SECONDS + PATIENCE)


async def test_sends_that_are_equally_slow_do_not_wait_for_each_other():
    """Disks that are slower than the client are no stall, however long it takes."""
    outcomes, seconds = await run(taking_one_every(0.5), taking_one_every(0.5))
    assert outcomes == [WHOLE, WHOLE]
    assert seconds == pytest.approx(0.5 * len(PIECES))


async def test_sends_that_take_turns_do_not_wait_for_each_other():
    """Being behind by half a piece is not a wait that adds up."""

    async def half_a_piece_later(body):
        await asyncio.sleep(0.25)
        return await taking_one_every(0.5)(body)

    outcomes, _ = await run(taking_one_every(0.5), half_a_piece_later)
    assert outcomes == [WHOLE, WHOLE]


async def test_a_slow_send_that_is_alone_has_all_the_time_it_needs():
    """After the other has failed there is nobody to hold up: the survivor's copy is finished."""
    outcomes, _ = await run(taking_one_every(0.5), failing_after(3))
    assert outcomes[0] == WHOLE
    assert isinstance(outcomes[1], Refused)


async def test_a_send_a_little_slower_than_the_other_finishes():
    """What it lags behind in all is within its patience."""
    outcomes, seconds = await run(taking_one_every(0.100), taking_one_every(0.110))
    assert outcomes == [WHOLE, WHOLE]
    assert seconds == pytest.approx(0.110 * len(PIECES))


async def test_a_send_much_slower_than_the_other_is_given_up():
    """Its waits are added up, so that it cannot cost its patience again with every piece."""
    outcomes, seconds = await run(taking_one_every(0.05), taking_one_every(0.2))
    assert outcomes[0] == WHOLE
    assert isinstance(outcomes[1], StalledError)
    assert seconds <= 0.05 * len(PIECES) + PATIENCE + 0.2


async def test_a_slow_body_is_nobody_s_stall():
    """Sends are not charged for what the client keeps them waiting."""
    outcomes, _ = await run(taking_all, taking_one_every(0.5), body=body_that_trickles(2))
    assert outcomes == [WHOLE, WHOLE]


async def test_a_send_that_ends_early_is_done():
    """A node may refuse, or answer, before it has seen the whole body."""

    async def answering_early(body):
        await anext(body)
        return "early"

    outcomes, seconds = await run(answering_early, taking_all)
    assert outcomes == ["early", WHOLE]
    assert seconds == 0


async def test_a_body_that_breaks_off_reaches_no_end_anywhere():
    """No send sees an end, so none can take the part for the whole."""
    ends = []

    async def noting_the_end(body):
        ends.append(await taking_all(body))

    with pytest.raises(BodyBroke):
        await run(noting_the_end, noting_the_end, body=body_that_breaks(20))
    assert ends == []


async def test_a_body_that_breaks_off_leaves_nothing_going_on():
    """Also not a send that is frozen."""
    with pytest.raises(BodyBroke):
        await run(freezing_after(1), taking_all, body=body_that_breaks(5))
    assert await what_goes_on() == set()


@pytest.mark.parametrize("after_seconds", [0, 0.3, 5])
async def test_being_cancelled_leaves_nothing_going_on(after_seconds):
    """Whether it is feeding, waiting for room or waiting for answers at that moment."""
    working = asyncio.create_task(
        run(freezing_after(1), taking_one_every(1), silent_after_the_body)
    )
    await asyncio.sleep(after_seconds)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await what_goes_on() == set()


async def test_a_send_that_is_given_up_has_ended_on_return():
    """Its clean-up is waited for, so that no connection outlives the upload."""
    ended = []

    async def cleaning_up(body):
        try:
            await freezing_after(1)(body)
        finally:
            await asyncio.sleep(0.2)
            ended.append(True)

    await run(cleaning_up, taking_all)
    assert ended == [True]


async def test_memory_is_bounded_by_the_pieces_ahead():
    """A frozen send never makes more than a few pieces wait for it."""
    ahead = []
    taken = 0

    async def counted():
        for given, chunk in enumerate(PIECES, 1):
            yield chunk
            ahead.append(given - taken)

    async def counting(body):
        nonlocal taken
        async for _ in body:
            taken += 1
            await asyncio.sleep(0.01)

    await run(counting, body=counted())
    assert max(ahead) <= CHUNKS_AHEAD_MAX + 1
