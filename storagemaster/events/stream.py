"""`GET /events`: a stream of server-sent events, for applications and `curl`."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict

from aiohttp import web

from storagemaster.errors import Unavailable
from storagemaster.events.events import Events, TooManyWatchers, Watch

HEARTBEAT_SECONDS = 15.0
RECONNECT_MILLISECONDS = 2_000
LAST_ID_HEADER = "Last-Event-ID"


async def stream_events(
    request: web.Request,
    events: Events,
    *,
    may_see: Callable[[int], bool],
    is_allowed: Callable[[], bool],
) -> web.StreamResponse:
    """Send events of the volumes that a watcher may see, as long as it is allowed.

    Raises:
        Unavailable: The number of watchers is at its maximum.
    """
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    if request.method == "HEAD":
        await response.prepare(request)
        return response  # without a body, so that the connection can serve the next request
    with contextlib.ExitStack() as stack:
        try:
            watching = events.watching(after=request.headers.get(LAST_ID_HEADER, ""))
            watch = stack.enter_context(watching)
        except TooManyWatchers as error:
            raise Unavailable(
                "too many watchers on this storagemaster; connect to another one"
            ) from error
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):
            await _send_events(response, events, watch, may_see=may_see, is_allowed=is_allowed)
        return response


async def _send_events(
    response: web.StreamResponse,
    events: Events,
    watch: Watch,
    *,
    may_see: Callable[[int], bool],
    is_allowed: Callable[[], bool],
) -> None:
    woken = asyncio.Event()
    watch.wake = woken.set
    await response.write(f"retry: {RECONNECT_MILLISECONDS}\n\n".encode())
    if watch.missed_events:
        await response.write(b"event: missed\ndata: {}\n\n")
    while not watch.is_over and is_allowed():
        woken.clear()
        while watch.numbered:
            numbered = watch.numbered.popleft()
            if not may_see(numbered.event.volume):
                continue
            data = json.dumps(asdict(numbered.event))
            text = f"id: {events.id_of(numbered)}\nevent: {numbered.event.state}\ndata: {data}\n\n"
            await response.write(text.encode())
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await woken.wait()
        except TimeoutError:
            await response.write(b": still here\n\n")
