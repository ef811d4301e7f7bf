"""Requests to one node for partial uploads."""

from collections.abc import AsyncIterator, Callable, Sequence

from storagenode.protocol import routes
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from storagenode.protocol.partials import Partial, render_partials
from storagenode.transport.signed_requests import CALL_SECONDS, SignedRequests
from volumes.photo_path import render_path

# The node reads the segments of a large photo, and writes them as one file.
COMPLETE_SECONDS = 60.0


class PartialRequests(SignedRequests):
    """Sender of requests for partial uploads. They raise as `Partials` does."""

    async def create_partial(self, partial: Partial) -> None:
        """Make room for a partial."""
        await self._call_short(routes.CREATE_PARTIAL.target(partial=partial.name))

    async def append_partial(
        self,
        partial: Partial,
        body: AsyncIterator[bytes],
        *,
        offset: int,
        mtime_seconds: int,
        bytes_total: int | None,
        digest: Callable[[], str],
    ) -> int:
        """Append a body; return the new length, which is durable. Raises as `NodeClient.put`."""
        query = {"offset": offset, "mtime": mtime_seconds}
        target = routes.APPEND_PARTIAL.target(query, partial=partial.name)
        fields = await self._send_stream(target, body, bytes_total=bytes_total, digest=digest)
        return int(fields["bytes"])

    async def partial_length(
        self, partial: Partial, *, timeout_seconds: float = CALL_SECONDS
    ) -> int:
        """Return the number of durable bytes."""
        target = routes.PARTIAL_LENGTH.target(partial=partial.name)
        return int((await self._call_short(target, timeout_seconds=timeout_seconds))["bytes"])

    async def read_partial(self, partial: Partial, *, offset: int) -> bytes:
        """Return up to a mebibyte from an offset on, none at the end."""
        target = routes.READ_PARTIAL.target({"offset": offset}, partial=partial.name)
        async with self._streaming(target, timeout_seconds=CALL_SECONDS) as response:
            return await response.read()

    async def partial_digest(self, partial: Partial) -> str:
        """Return the SHA-256 of a complete partial."""
        target = routes.DIGEST_PARTIAL.target(partial=partial.name)
        return str((await self._call_short(target, timeout_seconds=COMPLETE_SECONDS))["sha256"])

    async def publish_partial(
        self, partial: Partial, place: Place, *, mtime_seconds: int, digest: str
    ) -> Published:
        """Publish a complete partial as an original."""
        query = {"hint_for": place.hint_for, "mtime": mtime_seconds, "sha256": digest}
        target = routes.PUBLISH_PARTIAL.target(
            query, partial=partial.name, path=render_path(place.file)
        )
        return Published(**await self._call_short(target, timeout_seconds=COMPLETE_SECONDS))

    async def remove_partials(self, partials: Sequence[Partial]) -> None:
        """Remove partials with their bytes, as far as they exist."""
        await self._call_short(routes.REMOVE_PARTIALS.target(), render_partials(partials))
