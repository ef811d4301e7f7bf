"""Background work beside the requests, which an error in one pass does not end."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from runtime.request_scope import RequestScope, new_request_id, request_scope

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def repeating(
    work: Callable[[], Awaitable[object]], *, pause_seconds: float
) -> AsyncIterator[None]:
    """Repeat the work, after a pause each time, until the block exits."""
    task = asyncio.create_task(_repeat(work, pause_seconds))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _repeat(work: Callable[[], Awaitable[object]], pause_seconds: float) -> None:
    while True:
        await asyncio.sleep(pause_seconds)
        try:
            with request_scope(RequestScope(new_request_id())):
                await work()
        except Exception:
            # A bug in one pass must not end all later passes.
            log.exception("a pass of %s failed", getattr(work, "__qualname__", work))
