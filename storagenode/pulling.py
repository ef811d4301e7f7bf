"""Fetching a file from another node: verified on arrival, published like any other write."""

from collections.abc import AsyncIterator, Callable

from storagenode.client import FileStream, NodeClient
from storagenode.errors import DigestMismatch
from storagenode.publishing import Published
from storagenode.receiving import Receiver
from storagenode.store import Store
from storagenode.wire import Pull, render_trailer


class Puller:
    """Carries out pulls. It knows no map: each pull says where the file is."""

    def __init__(
        self, store: Store, receiver: Receiver, client_of: Callable[[str], NodeClient]
    ) -> None:
        self._store = store
        self._receiver = receiver
        self._client_of = client_of

    async def pull(self, pull: Pull) -> Published:
        """Fetch and publish one file.

        Raises:
            NotThere, Corrupt, Unreachable: The source does not have it, or not whole.
            NodeError: What publishing raises.
        """
        source = self._client_of(pull.source)
        async with source.stream(pull.source_place) as stream:
            return await self._receiver.receive(
                _with_trailer(stream),
                pull.place,
                mtime_seconds=stream.note.mtime_seconds,
                bytes_expected=stream.note.size_bytes,
                check_closing=lambda _, digest: _compare(digest, pull.digest),
            )


async def _with_trailer(stream: FileStream) -> AsyncIterator[bytes]:
    async for chunk in stream.chunks:
        yield chunk
    yield render_trailer("")


def _compare(found: str, wanted: str) -> None:
    if found != wanted:
        raise DigestMismatch(f"the other node sent SHA-256 {found}, wanted was {wanted}")
