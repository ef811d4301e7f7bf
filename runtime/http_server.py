"""An HTTP server that bounds its clients, and whose own errors reveal nothing of the request.

aiohttp's own error pages quote the request, permission and all, and name its version. Here the
caller renders the response to a malformed request. `clients` says what a client may do.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from aiohttp import hdrs, web

from runtime.clients import Clients, ConnectionState, Offense, progress_of
from runtime.request_scope import (
    HEADER,
    RequestScope,
    accept_request_id,
    accept_request_ids,
    request_scope,
)
from runtime.tls.certificate import HANDSHAKE_SECONDS, Certificate, is_retired
from runtime.traffic import CLIENT_CLOSED, HEALTH_ROUTE, RequestKind

log = logging.getLogger(__name__)

# How long a client has for the response to a request whose body is refused.
REFUSED_BODY_SECONDS = 1.0

Refuse = Callable[[int], web.StreamResponse]
"""Render the response, by its status, to a request that no handler got or that made one fail."""


class BodyRefused(Exception):
    """The body of a request is compressed, or too long."""

    def __init__(self, message: str, *, is_too_long: bool = False) -> None:
        super().__init__(message)
        self.is_too_long = is_too_long


def refuse_encoded_body(request: web.BaseRequest) -> None:
    """Raise `BodyRefused` if the body is compressed: a small one could fill the memory."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise BodyRefused(f"unsupported Content-Encoding {encoding!r}; send the body without one")


async def read_body(request: web.BaseRequest, *, bytes_max: int) -> bytes:
    """Return the body of a request, which holds at most `bytes_max` bytes of memory.

    Raises:
        BodyRefused: The body is compressed or longer. No more than `bytes_max` of it is kept.
    """
    refuse_encoded_body(request)
    too_long = BodyRefused(f"the body is longer than {bytes_max} bytes", is_too_long=True)
    if (request.content_length or 0) > bytes_max:
        raise too_long
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > bytes_max:
            raise too_long
    return bytes(body)


def stop_reading(request: web.BaseRequest) -> None:
    """Take no more of a refused body from the socket. The connection closes after the response."""
    if isinstance(request.protocol, BoundedHandler):
        request.protocol.stop_reading()


class _Site(web.TCPSite):
    """A `web.TCPSite` that ends slow TLS handshakes, which no handler sees."""

    async def start(self) -> None:
        """Listen."""
        if self._ssl_context is None:
            await super().start()
            return
        await web.BaseSite.start(self)
        assert self._runner.server is not None
        self._server = await asyncio.get_running_loop().create_server(
            self._runner.server,
            self._host,
            self._port,
            ssl=self._ssl_context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            backlog=self._backlog,
            reuse_address=self._reuse_address,
        )


@contextlib.asynccontextmanager
async def serving(
    runner: web.BaseRunner,
    host: str,
    port: int,
    clients: Clients,
    *,
    certificate: Certificate | None = None,
) -> AsyncIterator[None]:
    """Listen at an address, and watch its clients, until the block exits.

    With a certificate, only TLS is spoken, with clients of the same authority.

    Raises:
        OSError: The port is taken.
    """
    await runner.setup()
    try:
        context = certificate.server if certificate else None
        await _Site(runner, host, port, reuse_address=True, ssl_context=context).start()
        async with clients.watching():
            yield
    finally:
        await runner.cleanup()


def scope_of(sent_id: str, *, is_internal: bool) -> RequestScope:
    """Return the scope of a request that arrived with this id, or without one."""
    accept = accept_request_ids if is_internal else accept_request_id
    return RequestScope(accept(sent_id))


def _route_of(request: web.BaseRequest) -> str | None:
    """Return the template of the request's route, or None if it has none."""
    match = getattr(request, "_match_info", None)  # the property refuses malformed requests
    if match is not None and match.route.resource is not None:
        return str(match.route.resource.canonical)
    return HEALTH_ROUTE if request.path == HEALTH_ROUTE else None


class BoundedServer(web.Server):
    """A `web.Server` with limits on its clients, whose own errors are rendered by `refuse`."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        refuse: Refuse,
        clients: Clients,
        *,
        request_factory: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(handler, request_factory=request_factory)
        self.refuse = refuse
        self.clients = clients
        self._options = options

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        return BoundedHandler(self, self._options)


class BoundedHandler(web.RequestHandler):
    """The protocol of one connection of a `BoundedServer`; a `Connection` of its `Clients`."""

    __slots__ = ("_clients", "_has_stopped_reading", "_has_timed_out", "_head_since", "_refuse")

    def __init__(self, server: BoundedServer, options: dict[str, Any]) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._refuse = server.refuse
        self._clients = server.clients
        self._head_since: float | None = None
        self._has_timed_out = False
        self._has_stopped_reading = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve the connection, unless there are too many."""
        super().connection_made(transport)
        self._clients.admit(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._clients.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data, and remember since when a head is incomplete."""
        is_idle = self._current_request is None and not self._messages
        super().data_received(data)
        if self._messages or not is_idle:
            self._head_since = None
        elif self._head_since is None:
            self._head_since = self._loop.time()

    async def _handle_request(
        self,
        request: web.BaseRequest,
        start_time: float | None,
        request_handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> tuple[web.StreamResponse, bool]:
        """Serve a request in its scope, and count it when it has ended."""
        started = time.perf_counter()
        traffic = self._clients.traffic
        scope = scope_of(request.headers.get(HEADER, ""), is_internal=traffic.is_internal)
        code, sent_bytes = CLIENT_CLOSED, 0
        traffic.in_progress += 1
        with request_scope(scope):
            try:
                response, is_lost = await super()._handle_request(
                    request, start_time, request_handler
                )
                code = CLIENT_CLOSED if is_lost else response.status
                sent_bytes = response.body_length
                return response, is_lost
            finally:
                traffic.in_progress -= 1
                traffic.finish(
                    scope,
                    RequestKind(_route_of(request) or traffic.default_route, request.method, code),
                    seconds=time.perf_counter() - started,
                    received_bytes=request.content.total_bytes,
                    sent_bytes=sent_bytes,
                )

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response; the one to an offered upgrade, which is declined, ends the connection.

        The parser stops at such a request, so that the next one would never get a response.
        """
        if hdrs.UPGRADE in request.headers:
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    def certificate(self) -> Mapping[str, Any] | None:
        """Return the verified certificate of the client, or None without TLS.

        That of an authority that has been removed is empty.
        """
        assert self.transport is not None
        connection = self.transport.get_extra_info("ssl_object")
        if connection is not None and is_retired(connection):
            return {}
        found: Mapping[str, Any] | None = self.transport.get_extra_info("peercert")
        return found

    def stop_reading(self) -> None:
        """Read no more from the client, and close the connection soon after the response.

        aiohttp would read and discard the body for ten seconds.
        """
        self._has_stopped_reading = True
        self._pause_transport_reading()
        self._lingering_time = REFUSED_BODY_SECONDS

    def _resume_transport_reading(self) -> None:
        if not self._has_stopped_reading:
            super()._resume_transport_reading()

    def state(self, now_seconds: float) -> ConnectionState | None:
        """Return what the client is at, and how far."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return None
        request = self._current_request
        received, acknowledged = progress_of(transport.get_extra_info("socket"))
        return ConnectionState(
            head_seconds=0.0 if self._head_since is None else now_seconds - self._head_since,
            # A handler that reads no further stops the transport: then the client is not at fault.
            is_receiving=request is not None
            and not request.content.is_eof()
            and not (self._buffer_paused or self._reading_paused),
            is_sending=transport.get_write_buffer_size() > 0,
            bytes_received=received,
            bytes_acknowledged=acknowledged,
        )

    def reject(self, offense: Offense) -> None:
        """Time out the body that a handler waits for, or end the connection at once."""
        request = self._current_request
        if offense is Offense.SLOW_BODY and request is not None and not self._has_timed_out:
            self._has_timed_out = True
            request.content.set_exception(web.HTTPRequestTimeout(reason="the body came too slowly"))
            self.close()
            return
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to an error that no handler caught; the connection ends with it."""
        del message
        if status >= 500:
            log.error("a request failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("part of another response has already been sent")
        response = self._refuse(status)
        response.force_close()
        return response
