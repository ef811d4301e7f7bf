"""Plain batches of small files, past aiohttp: all writes of small uploads.

`WriteApi.write_many` handles those with an unusual head, a slow body, or an error as response.
"""

import re
from collections.abc import Awaitable, Callable, Sequence

from runtime.plain_http import PlainRequest, PlainRequests, render_json
from storagenode.protocol import batch_wire, routes, wire
from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.errors import NodeError
from storagenode.protocol.routes import signed_digest
from storagenode.write_port.receiving import Receiver

_ROUTE = routes.WRITE_MANY
PLAIN_WRITES = PlainRequests(
    _ROUTE.method,
    re.escape(_ROUTE.target().path),
    reads=(wire.SIGNATURE_HEADER, wire.DIGEST_HEADER),
    body_bytes_max=_ROUTE.body_bytes_max,
    route=_ROUTE.pattern,
)

CheckSignature = Callable[[str, str, str, str], None]
"""Raise `InvalidSignature` unless method, path, signature, and digest match."""


class PlainWrites:
    """Handler of plain batches."""

    def __init__(
        self,
        receiver: Receiver,
        check_signature: CheckSignature,
        note_write: Callable[[], None],
    ) -> None:
        self._receiver = receiver
        self._check_signature = check_signature
        self._note_write = note_write

    def respond(
        self, request: PlainRequest, body: bytes
    ) -> Awaitable[Sequence[bytes] | None] | None:
        """Publish the files of a batch and return the outcome of each, as `write_many` does."""
        if signed_digest(_ROUTE.signed, body) != _text(request, wire.DIGEST_HEADER):
            return None
        if not self.is_signed(request):
            return None
        try:
            files = batch_wire.parse_writes(body)
        except NodeError:
            return None
        return self._publish(files)

    def is_signed(self, request: PlainRequest) -> bool:
        """Return True if a machine of the cluster signed the head, with the digest in it."""
        digest, signature = (
            _text(request, name) for name in (wire.DIGEST_HEADER, wire.SIGNATURE_HEADER)
        )
        try:
            self._check_signature(_ROUTE.method, request.target.decode(), signature, digest)
        except NodeError:
            return False
        return True

    async def _publish(self, files: Sequence[InMemoryFile]) -> Sequence[bytes]:
        self._note_write()
        outcomes = await self._receiver.receive_many(files)
        return render_json(200, batch_wire.render_outcomes(outcomes))


def _text(request: PlainRequest, name: str) -> str:
    return request.headers.get(name.lower().encode(), b"").decode()
