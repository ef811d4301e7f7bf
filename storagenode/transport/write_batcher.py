"""Batching of small writes to one node: writes that arrive during a request share the next one.

A single write is sent immediately. Under load, several writes share the cost of a request, which
is higher than that of a small file.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from runtime.request_scope import (
    RequestScope,
    current_request_id,
    join_request_ids,
    request_scope,
)
from storagenode.protocol.batch_wire import (
    BATCH_FILES_MAX,
    WRITE_BYTES_MAX,
    InMemoryFile,
    WriteOutcome,
)
from storagenode.protocol.files import Published

Send = Callable[[Sequence[InMemoryFile]], Awaitable[list[WriteOutcome]]]
"""Write files to a node; return the outcome of each, or raise `NodeError` if none is known."""


@dataclass(frozen=True, slots=True)
class _Write:
    file: InMemoryFile
    published: asyncio.Future[Published]
    request_id: str


class WriteBatcher:
    """Sender of writes in order of arrival, one request at a time."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[_Write] = deque()
        self._in_flight: list[_Write] = []
        self._request: asyncio.Task[None] | None = None

    async def put(self, file: InMemoryFile) -> Published:
        """Return when the file is published. Cancelling one caller does not affect the others.

        Raises:
            NodeError: The node refused this file, or its outcome is unknown.
        """
        published = asyncio.get_running_loop().create_future()
        write = _Write(file, published, current_request_id())
        self._waiting.append(write)
        self._begin()
        return await write.published

    def close(self) -> None:
        """Cancel all waiting writes."""
        for write in (*self._waiting, *self._in_flight):
            write.published.cancel()

    def _begin(self) -> None:
        if self._request is None and (writes := self._next()):
            self._in_flight = writes
            self._request = asyncio.create_task(self._write(writes))
            self._request.add_done_callback(self._end)
            for write in writes:
                write.published.add_done_callback(self._cancel_if_unwanted)

    def _next(self) -> list[_Write]:
        writes: list[_Write] = []
        size = 0
        while self._waiting and len(writes) < BATCH_FILES_MAX:
            if self._waiting[0].published.done():  # its caller was cancelled
                self._waiting.popleft()
                continue
            size += len(self._waiting[0].file.data)
            if writes and size > WRITE_BYTES_MAX:
                break
            writes.append(self._waiting.popleft())
        return writes

    async def _write(self, writes: Sequence[_Write]) -> None:
        outcomes: Sequence[Published | Exception]
        scope = RequestScope(join_request_ids(write.request_id for write in writes))
        try:
            with request_scope(scope):
                outcomes = await self._send([write.file for write in writes])
        except Exception as error:  # noqa: BLE001  # every waiting caller gets it
            outcomes = [error] * len(writes)
        for write, outcome in zip(writes, outcomes, strict=True):
            if write.published.done():
                continue
            if isinstance(outcome, Published):
                write.published.set_result(outcome)
            else:
                write.published.set_exception(outcome)

    def _end(self, _: asyncio.Task[None]) -> None:
        self._request, self._in_flight = None, []
        self._begin()

    def _cancel_if_unwanted(self, _: asyncio.Future[Published]) -> None:
        """Cancel the request when all its callers are cancelled: a frozen node never responds."""
        if self._request and all(write.published.cancelled() for write in self._in_flight):
            self._request.cancel()
