"""Work that goes on beside the requests: repeated for ever, and never ended by an error."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def repeating(
    work: Callable[[], Awaitable[object]], *, pause_seconds: float
) -> AsyncIterator[None]:
    """Do the work again and again, with a pause between, for as long as the block lasts."""
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
            await work()
        except Exception:
            # A mistake in one pass must not end all later ones.
            log.exception("a pass of %s failed", getattr(work, "__qualname__", work))
