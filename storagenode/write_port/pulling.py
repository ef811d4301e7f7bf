"""Fetching files from another node: verified on arrival, published like any other write."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from storagenode.client import NodeClient
from storagenode.protocol.batch_wire import Outcome
from storagenode.protocol.errors import (
    DigestMismatch,
    Gone,
    NodeError,
    SourceUnreachable,
    Unreachable,
)
from storagenode.protocol.files import FileStream, Published
from storagenode.protocol.wire import Pull, render_trailer
from storagenode.store import Store
from storagenode.write_port.receiving import Receiver

S = TypeVar("S")
T = TypeVar("T")


class Puller:
    """Carries out pulls. It knows no map: each pull says where the file is."""

    def __init__(
        self,
        store: Store,
        receiver: Receiver,
        client_of: Callable[[str], NodeClient],
        threads: Executor,
    ) -> None:
        self._store = store
        self._receiver = receiver
        self._client_of = client_of
        self._threads = threads

    async def pull(self, pull: Pull) -> Published:
        """Fetch and publish one file.

        Raises:
            Gone: A tombstone covers it; the source is not asked.
            NotFound, Corrupt: The source does not have it, or not whole.
            SourceUnreachable: The source did not answer.
            Unreachable: The source was lost in the middle.
            NodeError: What publishing raises.
        """
        source = self._client_of(pull.source)
        await self._in_thread(partial(self._store.raise_if_deleted, pull.place.file))
        async with contextlib.AsyncExitStack() as stack:
            with _source_asked():
                stream = await stack.enter_async_context(source.stream(pull.source_place))
            return await self._receiver.receive(
                _with_trailer(stream),
                pull.place,
                mtime_seconds=stream.metadata.mtime_seconds,
                bytes_expected=stream.metadata.size_bytes,
                check_trailer=lambda _, digest: _compare(digest, pull.digest),
                replaces=pull.replaces,
            )

    async def pull_many(self, pulls: Sequence[Pull]) -> list[NodeError | None]:
        """Fetch and publish small files, all from one node; why each could not be, if so.

        Raises:
            SourceUnreachable: The source did not answer.
            NodeError: The source refused all of it.
        """
        gone = dict(zip(pulls, await self._of_each(self._gone, pulls), strict=True))
        wanted = [pull for pull in pulls if gone[pull] is None]
        if not wanted:
            return [gone[pull] for pull in pulls]
        source = self._client_of(wanted[0].source)
        with _source_asked():
            found = await source.fetch_many([pull.source_place for pull in wanted])
        done = await self._of_each(self._publish, list(zip(wanted, found, strict=True)))
        outcomes = dict(zip(wanted, done, strict=True))
        return [gone[pull] or outcomes.get(pull) for pull in pulls]

    async def _of_each(self, work: Callable[[S], T], these: Sequence[S]) -> list[T]:
        if self._store.is_local:
            return await self._in_thread(lambda: [work(each) for each in these])
        # Each waits for a network.
        return await asyncio.gather(*(self._in_thread(partial(work, each)) for each in these))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _gone(self, pull: Pull) -> Gone | None:
        """What was deleted need not come over the wire to be refused."""
        try:
            self._store.raise_if_deleted(pull.place.file)
        except Gone as error:
            return error
        return None

    def _publish(self, fetched: tuple[Pull, Outcome]) -> NodeError | None:
        pull, found = fetched
        if isinstance(found, NodeError):
            return found
        try:
            with self._store.staging(bytes_expected=len(found.data)) as file:
                file.write(found.data)
                file.replaces = pull.replaces
                _compare(file.digest, pull.digest)
                self._store.publish(
                    file, pull.place, mtime_seconds=found.mtime_seconds, digest=pull.digest
                )
        except NodeError as error:
            return error
        return None


@contextlib.contextmanager
def _source_asked() -> Iterator[None]:
    """That the source does not answer is no news of this node, and none of the file."""
    try:
        yield
    except Unreachable as error:
        raise SourceUnreachable(str(error)) from error


async def _with_trailer(stream: FileStream) -> AsyncIterator[bytes]:
    async for chunk in stream.chunks:
        yield chunk
    yield render_trailer("")


def _compare(found: str, wanted: str) -> None:
    if found != wanted:
        raise DigestMismatch(f"the other node sent SHA-256 {found}, wanted was {wanted}")
