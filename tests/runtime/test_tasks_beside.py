"""Tasks beside a block end with it, whatever ends it."""

import asyncio

import pytest

from runtime.tasks_beside import run_beside


async def run_until_cancelled(ended):
    """Wait until cancelled, and note the end."""
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        ended.append(True)


async def fail():
    """Fail at once."""
    raise LookupError("no such work")


async def run_block(*works, error=None):
    """Run works beside a block that lasts a moment and may fail."""
    async with run_beside(*works):
        await asyncio.sleep(0.01)
        if error:
            raise error


def test_tasks_have_ended_when_the_block_has():
    """They are cancelled, and waited for."""
    ended = []
    asyncio.run(run_block(run_until_cancelled(ended), run_until_cancelled(ended)))
    assert ended == [True, True]


def test_tasks_end_when_the_block_fails():
    """The failure is raised after their ends."""
    ended = []
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_block(run_until_cancelled(ended), error=ZeroDivisionError()))
    assert ended == [True]


def test_tasks_end_when_the_block_is_cancelled():
    """A timeout is a cancellation from outside."""
    ended = []

    async def run():
        async with asyncio.timeout(0.01), run_beside(run_until_cancelled(ended)):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(run())
    assert ended == [True]


def test_the_failure_of_a_task_is_raised_after_the_block():
    """The block ends first, and the other tasks with it."""
    ended = []
    with pytest.raises(LookupError, match="no such work"):
        asyncio.run(run_block(fail(), run_until_cancelled(ended)))
    assert ended == [True]


def test_the_failure_of_the_block_hides_that_of_a_task():
    """The block's is why the tasks end."""
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_block(fail(), error=ZeroDivisionError()))
