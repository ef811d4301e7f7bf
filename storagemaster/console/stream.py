"""The console's event stream: the cluster's status, and the events of photos.

One status document is made for all watchers together, every two seconds while there are any.
Samples need one every ten seconds, without the volumes while it has no watcher.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

from aiohttp import web

from storagemaster.console.samples import Samples
from storagemaster.errors import Unavailable
from storagemaster.events.events import Events, TooManyWatchers, Watch
from storagemaster.events.stream import LAST_ID_HEADER, RECONNECT_MILLISECONDS
from storagemaster.operations.cluster_status import ClusterStatus

STATUS_SECONDS = 2.0
# With the second that a list of revoked tokens may be old, a session ends within two.
CHECK_SECONDS = 0.8


class StatusFeed:
    """The latest status document, for all watchers."""

    def __init__(
        self,
        status: ClusterStatus,
        samples: Samples,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._status = status
        self._samples = samples
        self._now_seconds = now_seconds
        self._wakes: list[Callable[[], None]] = []
        self.number = 0
        """Number of documents so far."""
        self.text = ""
        """The latest document as JSON, with its second as `at_seconds`; empty without watchers."""

    async def refresh(self) -> None:
        """Make the next document if a watcher or the samples need one."""
        now = self._now_seconds()
        is_sample_due, is_watched = self._samples.is_due(now), bool(self._wakes)
        if not is_watched:
            self.text = ""
        if not is_watched and not is_sample_due:
            return
        document = await self._status.document(has_volumes=is_watched)
        if is_sample_due:
            self._samples.record(now, document)
        if not is_watched:
            return
        self.text = json.dumps({**document, "at_seconds": now})
        self.number += 1
        for wake in self._wakes:
            wake()

    @contextlib.contextmanager
    def watching(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call a function at each document until the block exits."""
        self._wakes.append(wake)
        try:
            yield
        finally:
            self._wakes.remove(wake)


async def stream_to_console(
    request: web.Request,
    events: Events,
    feed: StatusFeed | None,
    *,
    may_see: Callable[[int], bool],
    is_allowed: Callable[[], bool],
) -> web.StreamResponse:
    """Send the status, unless `feed` is None, and the events of volumes that the watcher may see.

    The stream ends with `signed-out` when the watcher is no longer allowed.

    Raises:
        Unavailable: The number of watchers is at its maximum.
    """
    woken = asyncio.Event()
    with contextlib.ExitStack() as stack:
        try:
            watching = events.watching(after=request.headers.get(LAST_ID_HEADER, ""))
            watch = stack.enter_context(watching)
        except TooManyWatchers as error:
            raise Unavailable("too many watchers on this storagemaster") from error
        watch.wake = woken.set
        if feed is not None:
            stack.enter_context(feed.watching(woken.set))
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):
            await response.write(f"retry: {RECONNECT_MILLISECONDS}\n\n".encode())
            sent = -1
            while not watch.is_over and is_allowed():
                woken.clear()
                for text in _event_texts(events, watch, may_see):
                    await response.write(text.encode())
                if feed is not None and feed.text and feed.number != sent:
                    sent = feed.number
                    await response.write(f"event: status\ndata: {feed.text}\n\n".encode())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CHECK_SECONDS):
                        await woken.wait()
            if not watch.is_over:
                await response.write(b"event: signed-out\ndata: {}\n\n")
        return response


def _event_texts(events: Events, watch: Watch, may_see: Callable[[int], bool]) -> Iterator[str]:
    if watch.missed_events:
        watch.missed_events = False
        yield "event: missed\ndata: {}\n\n"
    while watch.numbered:
        numbered = watch.numbered.popleft()
        if may_see(numbered.event.volume):
            data = json.dumps(asdict(numbered.event))
            id_ = events.id_of(numbered)
            yield f"id: {id_}\nevent: {numbered.event.state}\ndata: {data}\n\n"
