"""Small writes to one node: while a request is under way, what else comes gathers for the next.

A write alone leaves at once. Under load a request carries several, and what a request costs, which
is more than a small file does, is paid once for them.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from storagenode.protocol.files import Published
from storagenode.protocol.writes_wire import BYTES_MAX, FILES_MAX, InMemoryFile, Outcome

Send = Callable[[Sequence[InMemoryFile]], Awaitable[list[Outcome]]]
"""Has a node write files; what became of each, or `NodeError` if that is not known of any."""


@dataclass(frozen=True, slots=True)
class _Write:
    file: InMemoryFile
    published: asyncio.Future[Published]


class WriteBatcher:
    """Sends what it is given in as few requests as keep the node busy, in the order it came."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[_Write] = deque()
        self._under_way: list[_Write] = []
        self._request: asyncio.Task[None] | None = None

    async def put(self, file: InMemoryFile) -> Published:
        """Return when the file is published; who no longer waits for it stops no other.

        Raises:
            NodeError: What the node says of this file, or why it says nothing.
        """
        write = _Write(file, asyncio.get_running_loop().create_future())
        self._waiting.append(write)
        self._begin()
        return await write.published

    def close(self) -> None:
        """Wait for no answer any more."""
        for write in (*self._waiting, *self._under_way):
            write.published.cancel()

    def _begin(self) -> None:
        if self._request is None and (writes := self._next()):
            self._under_way = writes
            self._request = asyncio.create_task(self._write(writes))
            self._request.add_done_callback(self._end)
            for write in writes:
                write.published.add_done_callback(self._stop_unless_wanted)

    def _next(self) -> list[_Write]:
        writes: list[_Write] = []
        size = 0
        while self._waiting and len(writes) < FILES_MAX:
            if self._waiting[0].published.done():  # nobody waits for it any more
                self._waiting.popleft()
                continue
            size += len(self._waiting[0].file.data)
            if writes and size > BYTES_MAX:
                break
            writes.append(self._waiting.popleft())
        return writes

    async def _write(self, writes: Sequence[_Write]) -> None:
        outcomes: Sequence[Published | Exception]
        try:
            outcomes = await self._send([write.file for write in writes])
        except Exception as error:  # noqa: BLE001  # it is told to all who wait, whatever it is
            outcomes = [error] * len(writes)
        for write, outcome in zip(writes, outcomes, strict=True):
            if write.published.done():
                continue
            if isinstance(outcome, Published):
                write.published.set_result(outcome)
            else:
                write.published.set_exception(outcome)

    def _end(self, _: asyncio.Task[None]) -> None:
        self._request, self._under_way = None, []
        self._begin()

    def _stop_unless_wanted(self, _: asyncio.Future[Published]) -> None:
        """Give up a request, which a frozen node may have, when nobody waits for any of it."""
        if self._request and all(write.published.cancelled() for write in self._under_way):
            self._request.cancel()
