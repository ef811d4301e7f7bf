"""An HTTP server with a fast path for the most common request, a plain GET.

A request for a photo is one request line and headers without effect. aiohttp creates objects and a
task for it, which costs as much as reading and hashing the photo. The fast path recognizes such a
request by a strict match of its bytes, and responds at once if it need not wait. aiohttp handles
every other request, even one with an unusual space.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from runtime.clients import Clients, unacknowledged_bytes
from runtime.http_server import BoundedHandler, BoundedServer, Refuse

FastPath = Callable[[bytes], Sequence[bytes | bytearray] | None]
"""Return the whole response to a plain GET of a raw target, or None to use the handler."""

# Edges send shorter requests for a photo. The parser handles longer ones.
_HEAD_BYTES_MAX = 4096
_HEADERS_MAX = 40
# The fast path has its own idle timer, because that of aiohttp does not see its responses.
_NEVER_SECONDS = 365 * 86400
# Headers without effect on a response, unlike conditions, ranges, bodies, and connections.
_NEUTRAL_NAMES = (
    rb"(?i:accept|cache-control|dnt|photo-|pragma|priority|referer|sec-(?:ch-|fetch-|gpc)|"
    rb"upgrade-insecure-requests|user-agent|via|x-)[A-Za-z-]*"
)
_NEUTRAL_LINES = rb"(?:" + _NEUTRAL_NAMES + rb": [ -~]*\r\n){0,%d}" % _HEADERS_MAX
_HOST_LINE = rb"(?i:host): [!-~]+\r\n"
_PLAIN_GET = re.compile(
    rb"GET (/[!-~]*) HTTP/1\.1\r\n" + _NEUTRAL_LINES + _HOST_LINE + _NEUTRAL_LINES + rb"\r\n"
)
# Exactly one request without a body, so that its end is known without the parser.
_FRAMING_NAMES = rb"(?i:connection|content-[a-z]+|transfer-[a-z]+|upgrade):"
_ONE_REQUEST = re.compile(
    rb"(?:GET|HEAD|OPTIONS) [!-~]+ HTTP/1\.1\r\n"
    rb"(?:(?!" + _FRAMING_NAMES + rb")[A-Za-z0-9-]+: [ -~]*\r\n)*\r\n"
)


class FastPathServer(BoundedServer):
    """A `BoundedServer` with a fast path.

    It closes a connection that received nothing for `idle_seconds`.
    """

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
        async def mark_answering(request: web.BaseRequest) -> web.StreamResponse:
            protocol: Any = request.protocol
            protocol.is_answering = True
            protocol.target = request.raw_path.encode()
            return await handler(request)

        super().__init__(
            mark_answering, refuse, clients, keepalive_timeout=_NEVER_SECONDS, **options
        )
        self._try_fast_path = try_fast_path
        self._idle_seconds = idle_seconds

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
        return _FastPathHandler(self, self._options, self._try_fast_path, self._idle_seconds)


class _FastPathHandler(BoundedHandler):
    __slots__ = (
        "_at_boundary",
        "_idle_seconds",
        "_pending",
        "_received_at",
        "_timer",
        "_try_fast_path",
        "is_answering",
        "target",
    )

    def __init__(
        self,
        server: BoundedServer,
        options: dict[str, Any],
        try_fast_path: FastPath,
        idle_seconds: float,
    ) -> None:
        super().__init__(server, options)
        self._try_fast_path = try_fast_path
        self._idle_seconds = idle_seconds
        self._received_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        # True while the handler works, during which the connection is not idle.
        self.is_answering = False
        # Target of the request that is or was answered last.
        self.target = b""
        # Number of requests in aiohttp without a response. Responses keep the order of requests.
        self._pending = 0
        # True while the next bytes received are known to start a new request.
        self._at_boundary = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the idle timer."""
        super().connection_made(transport)
        self._timer = self._loop.call_later(self._idle_seconds, self._close_if_idle)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the idle timer."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Respond on the fast path, or pass the bytes to aiohttp."""
        self._received_at = self._loop.time()
        if self._at_boundary:
            if not self._pending and self._respond_fast(data):
                return
            self._at_boundary = _ONE_REQUEST.fullmatch(data) is not None
            self._pending += 1
        super().data_received(data)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response of the handler."""
        finished = await super().finish_response(request, resp, start_time)
        self.is_answering = False
        self._received_at = self._loop.time()
        self._pending -= 1
        self._at_boundary = self._at_boundary and bool(finished[0].keep_alive)
        return finished

    def _respond_fast(self, data: bytes) -> bool:
        # aiohttp applies backpressure to clients that do not read their responses.
        if len(data) > _HEAD_BYTES_MAX or self.writing_paused or self.transport is None:
            return False
        plain = _PLAIN_GET.fullmatch(data)
        if plain is None or self.transport.is_closing():
            return False
        try:
            response = self._try_fast_path(plain[1])
        except Exception:  # noqa: BLE001  # the handler meets and reports the same fault
            return False
        if response is None:
            return False
        self.target = plain[1]
        self.transport.writelines(response)
        return True

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

    def _close_if_idle(self) -> None:
        remaining = self._received_at + self._idle_seconds - self._loop.time()
        if remaining > 0 or self.is_answering:
            self._timer = self._loop.call_later(max(remaining, 1.0), self._close_if_idle)
        else:
            self.force_close()
