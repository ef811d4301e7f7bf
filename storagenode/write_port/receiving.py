"""Receiver of writes: small files from memory, and streamed bodies through staging.

A streamed body is published only if its closing signature is valid.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from storagenode.protocol.batch_wire import InMemoryFile, WriteOutcome
from storagenode.protocol.errors import BadRequest, NodeError, Unreachable
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import TRAILER_BYTES, parse_trailer
from storagenode.store import Staged, Store

# Bytes per write to the store: enough to outweigh the cost of a thread, and a multiple of blocks.
BATCH_BYTES = 1024 * 1024

CheckTrailer = Callable[[str, str], None]
"""Raise an error unless the closing signature is valid for the digest of the body."""

NOT_PUBLISHED = NodeError("the file was not published")

T = TypeVar("T")


class Receiver:
    """Writer of received bodies to a store. It uses threads, so no disk blocks the event loop."""

    def __init__(
        self,
        store: Store,
        threads: Executor,
        record: Callable[[Sequence[WriteOutcome]], None] = lambda _: None,
    ) -> None:
        """`record` gets the outcomes of all writes, in a thread."""
        self._store = store
        self._threads = threads
        self.record = record

    async def receive(
        self,
        body: AsyncIterator[bytes],
        place: Place,
        *,
        mtime_seconds: int,
        bytes_expected: int,
        check_trailer: CheckTrailer,
        replaces: str = "",
    ) -> Published:
        """Publish a body at a place. It replaces an existing file with the digest `replaces`.

        Raises:
            BadRequest: The body ends before its trailer.
            Unreachable: The sender disconnected.
            NodeError: The store or `check_trailer` refused the body. Nothing was published.
        """

        def publish(file: Staged, digest: str) -> Published:
            file.replaces = replaces
            outcome = self._store.publish(file, place, mtime_seconds=mtime_seconds, digest=digest)
            self.record([outcome])
            return outcome

        return await self.receive_into(
            body,
            lambda: self._store.staging(bytes_expected=bytes_expected),
            publish,
            check_trailer=check_trailer,
        )

    async def receive_into(
        self,
        body: AsyncIterator[bytes],
        staging: Callable[[], AbstractContextManager[Any]],
        publish: Callable[[Any, str], T],
        *,
        check_trailer: CheckTrailer,
    ) -> T:
        """Write a body to a staged file; return what `publish` returns of it and its digest.

        Raises as `receive` does.
        """
        batches = _in_batches(body)
        batch = await anext(batches)

        def publish_signed(file: Any, last: _Batch) -> T:
            file.write(last.data)
            assert last.trailer is not None, "cannot publish before the end of the body"
            digest = file.digest
            check_trailer(last.trailer, digest)
            return publish(file, digest)

        def publish_whole() -> T:
            with staging() as file:
                return publish_signed(file, batch)

        if batch.trailer is not None:
            return await self._in_thread(publish_whole)
        async with contextlib.AsyncExitStack() as stack:
            entered = staging()
            file = await self._in_thread(entered.__enter__)
            stack.push_async_exit(partial(self._exit_staging, entered))
            await self._in_thread(partial(file.write, batch.data))
            async for batch in batches:
                if batch.trailer is None:
                    await self._in_thread(partial(file.write, batch.data))
            return await self._in_thread(partial(publish_signed, file, batch))

    async def receive_many(self, files: Sequence[InMemoryFile]) -> list[WriteOutcome]:
        """Publish files from memory if they match their digests; return the outcome of each.

        Each batch has a thread, so that their waits for the disk overlap.
        """
        count = self._store.batches_at_once(len(files))
        if count == 1:
            return await self._in_thread(partial(self._publish_many, files))
        batches = [files[first::count] for first in range(count)]
        publishing = (self._in_thread(partial(self._publish_many, each)) for each in batches)
        outcomes: list[WriteOutcome] = [NOT_PUBLISHED] * len(files)
        for first, published in enumerate(await asyncio.gather(*publishing)):
            outcomes[first::count] = published
        return outcomes

    def _publish_many(self, files: Sequence[InMemoryFile]) -> list[WriteOutcome]:
        outcomes = self._store.publish_many(files)
        self.record(outcomes)
        return outcomes

    async def _exit_staging(
        self, staging: AbstractContextManager[Staged], *failure: object
    ) -> None:
        await self._in_thread(partial(staging.__exit__, *failure))  # type: ignore[arg-type]

    async def _in_thread(self, work: Callable[[], T]) -> T:
        working = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            # The thread still runs, so its file must stay open until it ends.
            await asyncio.wait([working])
            raise


@dataclass(frozen=True, slots=True)
class _Batch:
    """Part of a body. Only the last batch has the closing signature."""

    data: memoryview
    trailer: str | None = None


async def _in_batches(body: AsyncIterator[bytes]) -> AsyncIterator[_Batch]:
    """Yield the body in batches of equal length. The last one ends before the trailer."""
    chunks: list[bytes | memoryview] = []
    size = 0
    try:
        async for chunk in body:
            chunks.append(chunk)
            size += len(chunk)
            if size >= BATCH_BYTES + TRAILER_BYTES:
                data = memoryview(b"".join(chunks))
                whole = (size - TRAILER_BYTES) // BATCH_BYTES * BATCH_BYTES
                for start in range(0, whole, BATCH_BYTES):
                    yield _Batch(data[start : start + BATCH_BYTES])
                chunks, size = [data[whole:]], size - whole
    except OSError as error:
        # This is an error of the network, not of the disk.
        raise Unreachable(f"the sender disconnected: {error}") from error
    if size < TRAILER_BYTES:
        raise BadRequest("incomplete body: it ends before its closing signature")
    data = memoryview(b"".join(chunks))
    trailer = parse_trailer(bytes(data[-TRAILER_BYTES:]))
    yield _Batch(data[:-TRAILER_BYTES], trailer)
