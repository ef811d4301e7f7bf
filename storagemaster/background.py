"""Background work beside the requests, which an error in one pass does not end."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from runtime.request_scope import RequestScope, new_request_id, request_scope
from runtime.tasks_beside import run_beside

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def repeating(
    work: Callable[[], Awaitable[object]], *, pause_seconds: float
) -> AsyncIterator[None]:
    """Repeat the work, after a pause each time, until the block exits."""
    async with run_beside(_repeat(work, pause_seconds)):
        yield


async def _repeat(work: Callable[[], Awaitable[object]], pause_seconds: float) -> None:
    while True:
        await asyncio.sleep(pause_seconds)
        try:
            with request_scope(RequestScope(new_request_id())):
                await work()
        except Exception:
            # A bug in one pass must not end all later passes.
            log.exception("a pass of %s failed", getattr(work, "__qualname__", work))
