"""Tasks that run beside a block of code, and end with it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine


@contextlib.asynccontextmanager
async def run_beside(*works: Coroutine[None, None, object]) -> AsyncIterator[None]:
    """Run coroutines until the block exits, then cancel them and wait for their ends.

    Raises:
        Exception: The first that a coroutine raised, if the block itself raised none.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
