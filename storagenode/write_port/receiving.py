"""Taking what is written: small files whole, and a streamed PUT to staging as it comes.

What was streamed is published if its closing signature is right.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from storagenode.protocol.errors import BadRequest, NodeError, Unreachable
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import TRAILER_BYTES, parse_trailer
from storagenode.protocol.writes_wire import InMemoryFile, Outcome
from storagenode.store import Staged, Store

# As much as is written to the disk at a time: large enough that a thread is worth its price, and in
# whole blocks.
BATCH_BYTES = 1024 * 1024

CheckClosing = Callable[[str, str], None]
"""Given the closing signature and the digest of what came, raises unless they belong together."""

T = TypeVar("T")


class Receiver:
    """Writes incoming bodies to a store, in threads, so that no disk stops the event loop."""

    def __init__(self, store: Store, threads: Executor) -> None:
        self._store = store
        self._threads = threads

    async def receive(
        self,
        body: AsyncIterator[bytes],
        place: Place,
        *,
        mtime_seconds: int,
        bytes_expected: int,
        check_trailer: CheckClosing,
        replaces: str = "",
    ) -> Published:
        """Publish a body at a place; what has the digest `replaces` there gives way to it.

        Raises:
            BadRequest: The body ends before its trailer.
            Unreachable: The body breaks off.
            NodeError: What the store or `check_trailer` raises; nothing was published.
        """
        batches = _in_batches(body)
        batch = await anext(batches)
        if batch.closing is not None:
            return await self._in_thread(
                partial(self._publish_whole, batch, place, mtime_seconds, check_trailer, replaces)
            )
        async with contextlib.AsyncExitStack() as stack:
            staging = self._store.staging(bytes_expected=bytes_expected)
            file = await self._in_thread(staging.__enter__)
            file.replaces = replaces
            stack.push_async_exit(partial(self._leave, staging))
            await self._in_thread(partial(file.write, batch.data))
            async for batch in batches:
                await self._in_thread(partial(file.write, batch.data))
            return await self._in_thread(
                partial(self._publish, file, batch, place, mtime_seconds, check_trailer)
            )

    async def receive_many(self, files: Sequence[InMemoryFile]) -> list[Outcome]:
        """Publish complete bodies whose digests match; return the outcome of each.

        Each file has a thread, so that their fsyncs overlap.
        """
        publishing = (self._in_thread(partial(self._publish_one, file)) for file in files)
        return list(await asyncio.gather(*publishing))

    def _publish_one(self, whole: InMemoryFile) -> Outcome:
        try:
            with self._store.staging(bytes_expected=len(whole.data)) as file:
                file.write(whole.data)
                return self._store.publish(
                    file, whole.place, mtime_seconds=whole.mtime_seconds, digest=whole.digest
                )
        except NodeError as error:
            return error

    def _publish_whole(
        self,
        batch: "_Batch",
        place: Place,
        mtime_seconds: int,
        check_trailer: CheckClosing,
        replaces: str,
    ) -> Published:
        with self._store.staging(bytes_expected=len(batch.data)) as file:
            file.replaces = replaces
            file.write(batch.data)
            return self._publish(file, batch, place, mtime_seconds, check_trailer)

    def _publish(
        self,
        file: Staged,
        last: "_Batch",
        place: Place,
        mtime_seconds: int,
        check_trailer: CheckClosing,
    ) -> Published:
        assert last.closing is not None, "published before its body has ended"
        digest = file.digest
        check_trailer(last.closing, digest)
        return self._store.publish(file, place, mtime_seconds=mtime_seconds, digest=digest)

    async def _leave(
        self, staging: contextlib.AbstractContextManager[Staged], *failure: object
    ) -> None:
        await self._in_thread(partial(staging.__exit__, *failure))  # type: ignore[arg-type]

    async def _in_thread(self, work: Callable[[], T]) -> T:
        working = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            # The thread goes on, and its file must not be closed under its hands.
            await asyncio.wait([working])
            raise


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some of a body, as it came; the last batch has the closing signature too."""

    data: memoryview
    closing: str | None = None


async def _in_batches(body: AsyncIterator[bytes]) -> AsyncIterator[_Batch]:
    """The body in batches of one length, but for the last, which ends before the trailer."""
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
        # An error of the network, which must not be taken for one of the disk.
        raise Unreachable(f"the sender was lost: {error}") from error
    if size < TRAILER_BYTES:
        raise BadRequest("the body ends before its closing signature")
    data = memoryview(b"".join(chunks))
    closing = parse_trailer(bytes(data[-TRAILER_BYTES:]))
    yield _Batch(data[:-TRAILER_BYTES], closing)
