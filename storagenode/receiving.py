"""Taking a streamed PUT: to staging as it comes, published if its closing signature is right."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from storagenode.disk_store import DiskStore
from storagenode.errors import BadRequest, Unreachable
from storagenode.layout import Place
from storagenode.publishing import Published
from storagenode.staging import StagedFile
from storagenode.wire import TRAILER_BYTES, parse_trailer

# As much as is written to the disk at a time: large enough that a thread is worth its price.
BATCH_BYTES = 1024 * 1024

CheckClosing = Callable[[str, str], None]
"""Given the closing signature and the digest of what came, raises unless they belong together."""

T = TypeVar("T")


class Receiver:
    """Writes incoming bodies to a store, in threads, so that no disk stops the event loop."""

    def __init__(self, store: DiskStore, threads: Executor) -> None:
        self._store = store
        self._threads = threads

    async def receive(
        self,
        body: AsyncIterator[bytes],
        place: Place,
        *,
        mtime_seconds: int,
        bytes_expected: int,
        check_closing: CheckClosing,
    ) -> Published:
        """Publish a body at a place.

        Raises:
            BadRequest: The body ends before its trailer.
            Unreachable: The body breaks off.
            NodeError: What the store or `check_closing` raises; nothing was published.
        """
        batches = _in_batches(body)
        first, is_last = await anext(batches)
        if is_last:
            return await self._in_thread(
                partial(self._publish_whole, first, place, mtime_seconds, check_closing)
            )
        async with contextlib.AsyncExitStack() as stack:
            staging = self._store.staging(bytes_expected=bytes_expected)
            file = await self._in_thread(staging.__enter__)
            stack.push_async_exit(partial(self._leave, staging))
            await self._in_thread(partial(file.write, first))
            async for batch, is_last in batches:
                data = batch[:-TRAILER_BYTES] if is_last else batch
                await self._in_thread(partial(file.write, data))
                if is_last:
                    closing = parse_trailer(batch[-TRAILER_BYTES:])
            return await self._in_thread(
                partial(self._publish, file, place, mtime_seconds, closing, check_closing)
            )

    def _publish_whole(
        self, body: bytes, place: Place, mtime_seconds: int, check_closing: CheckClosing
    ) -> Published:
        data = body[:-TRAILER_BYTES]
        closing = parse_trailer(body[-TRAILER_BYTES:])
        with self._store.staging(bytes_expected=len(data)) as file:
            file.write(data)
            return self._publish(file, place, mtime_seconds, closing, check_closing)

    def _publish(
        self,
        file: StagedFile,
        place: Place,
        mtime_seconds: int,
        closing: str,
        check_closing: CheckClosing,
    ) -> Published:
        digest = file.digest
        check_closing(closing, digest)
        return self._store.publish(file, place, mtime_seconds=mtime_seconds, digest=digest)

    async def _leave(
        self, staging: contextlib.AbstractContextManager[StagedFile], *failure: object
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


async def _in_batches(body: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, bool]]:
    """The body in large pieces, each with whether it is the last, which ends in the trailer."""
    kept = bytearray()
    try:
        async for chunk in body:
            kept += chunk
            if len(kept) >= BATCH_BYTES + TRAILER_BYTES:
                yield bytes(kept[:-TRAILER_BYTES]), False
                del kept[:-TRAILER_BYTES]
    except OSError as error:
        # An error of the network, which must not be taken for one of the disk.
        raise Unreachable(f"the sender was lost: {error}") from error
    if len(kept) < TRAILER_BYTES:
        raise BadRequest("the body ends before its closing signature")
    yield bytes(kept), True
