"""Pulls: files fetched from another node, verified, and published as any other write."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor

from storagenode.client import NodeClient
from storagenode.protocol.batch_wire import InMemoryFile, ReadFile, ReadOutcome
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
from storagenode.write_port.move_throttle import MoveThrottle
from storagenode.write_port.receiving import Receiver
from storagenode.write_port.store_threads import StoreThreads
from volumes.cluster import NodeId


class Puller:
    """Executor of pulls. It knows no volume map: each pull names its source."""

    def __init__(
        self,
        store: Store,
        receiver: Receiver,
        client_of: Callable[[NodeId, str], NodeClient],
        threads: Executor,
        *,
        throttle: MoveThrottle,
    ) -> None:
        self._throttle = throttle
        self._store = store
        self._receiver = receiver
        self._client_of = client_of
        self._threads = StoreThreads(store, threads)

    async def pull(self, pull: Pull) -> Published:
        """Fetch and publish one file.

        Raises:
            Gone: A tombstone covers the file. The source gets no request.
            NotFound: The source does not have the file.
            Corrupt: The source's copy is corrupt.
            SourceUnreachable: The source did not respond.
            Unreachable: The connection to the source broke during the transfer.
            Throttled: Other copies go first.
            NodeError: Publishing failed.
        """
        source = self._client_of(pull.source_node, pull.source)
        await self._threads.run(self._store.raise_if_deleted, pull.place.file)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._throttle.receiving(pull.move_bytes))
            with _translate_unreachable():
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
        """Fetch and publish small files from one node; return the error of each, or None.

        Raises:
            SourceUnreachable: The source did not respond.
            Throttled: Other copies go first.
            NodeError: The source refused the whole batch.
        """
        async with self._throttle.receiving(sum(pull.move_bytes for pull in pulls)):
            return await self._pull_many(pulls)

    async def _pull_many(self, pulls: Sequence[Pull]) -> list[NodeError | None]:
        gone = dict(zip(pulls, await self._threads.map(self._gone, pulls), strict=True))
        wanted = [pull for pull in pulls if gone[pull] is None]
        if not wanted:
            return [gone[pull] for pull in pulls]
        source = self._client_of(wanted[0].source_node, wanted[0].source)
        with _translate_unreachable():
            found = await source.fetch_many([pull.source_place for pull in wanted])
        outcomes = await self._publish_many(dict(zip(wanted, found, strict=True)))
        return [gone[pull] or outcomes.get(pull) for pull in pulls]

    async def _publish_many(
        self, found: Mapping[Pull, ReadOutcome]
    ) -> Mapping[Pull, NodeError | None]:
        """Publish what was fetched; return the error of each, or None.

        New files share their waits for the disk. A file that replaces another one does not.
        """
        fetched = {pull: each for pull, each in found.items() if isinstance(each, ReadFile)}
        new = {pull: each for pull, each in fetched.items() if not pull.replaces}
        written = await self._receiver.receive_many(
            [
                InMemoryFile(pull.place, each.data, pull.digest, each.mtime_seconds)
                for pull, each in new.items()
            ]
        )
        others = [(pull, each) for pull, each in fetched.items() if pull.replaces]
        replaced = await self._threads.map(self._replace, others)
        outcomes = {
            **found,
            **dict(zip(new, written, strict=True)),
            **dict(zip((pull for pull, _ in others), replaced, strict=True)),
        }
        return {
            pull: each if isinstance(each, NodeError) else None for pull, each in outcomes.items()
        }

    def _gone(self, pull: Pull) -> Gone | None:
        """Return `Gone` if the file is deleted, so that its bytes are not transferred."""
        try:
            self._store.raise_if_deleted(pull.place.file)
        except Gone as error:
            return error
        return None

    def _replace(self, fetched: tuple[Pull, ReadFile]) -> NodeError | None:
        pull, found = fetched
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
def _translate_unreachable() -> Iterator[None]:
    """Convert `Unreachable` from the source: neither this node nor the file is at fault."""
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
        raise DigestMismatch(f"digest mismatch: the source sent SHA-256 {found}, expected {wanted}")
