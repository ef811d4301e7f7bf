"""The server of the read port: plain GETs on a fast path, and aborts of responses under way."""

import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from runtime.clients import Clients, unacknowledged_bytes
from runtime.http_server import Refuse
from runtime.plain_http import PlainRequests
from runtime.plain_server import PlainHandler, PlainServer

FastPath = Callable[[bytes], Sequence[bytes | bytearray] | None]
"""Return the whole response to a plain GET of a raw target, or None to use the handler."""

PHOTO_ROUTE = "/{path}"
"""The name in metrics of all permission URLs."""

_PLAIN_GETS = PlainRequests("GET", route=PHOTO_ROUTE)


class FastPathServer(PlainServer):
    """A `PlainServer` for GETs, whose responses under way can be aborted."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        try_fast_path: FastPath,
        refuse: Refuse,
        clients: Clients,
        *,
        idle_seconds: float,
        **options: Any,
    ) -> None:
        super().__init__(
            handler,
            _PLAIN_GETS,
            lambda request, _body: try_fast_path(request.target),
            refuse,
            clients,
            admit=lambda _request: False,  # a GET has no body
            idle_seconds=idle_seconds,
            **options,
        )

    def abort_responses(self, stem: str) -> int:
        """Abort the responses under way to targets that begin with a stem; return their number.

        A client that has received a part learns of it by a reset, so that no cache stores the part.
        A response is under way until the client has acknowledged its last byte.
        """
        prefix = f"/{stem}".encode()
        found = [
            connection
            for connection in self.clients.connections
            if isinstance(connection, _FastPathHandler)
            and connection.target.startswith(prefix)
            and connection.is_sending()
        ]
        for connection in found:
            connection.reset()
        return len(found)

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        return _FastPathHandler(self, self._options)


class _FastPathHandler(PlainHandler):
    __slots__ = ()

    def is_sending(self) -> bool:
        """Return True if a part of the last response has not reached the client."""
        if self.transport is None or self.transport.is_closing():
            return False
        return (
            self.is_answering
            or self.transport.get_write_buffer_size() > 0
            or unacknowledged_bytes(self.transport.get_extra_info("socket")) > 0
        )

    def reset(self) -> None:
        """Reset the connection, and discard what the kernel has still to send."""
        transport = self.transport
        assert transport is not None
        linger = struct.pack("=ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.force_close()
        transport.abort()
