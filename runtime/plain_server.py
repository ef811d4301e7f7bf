"""An HTTP server with a fast path for plain requests, in front of aiohttp.

aiohttp creates objects and a task for each request, which costs as much as reading and hashing a
photo. The fast path handles the requests that `plain_http` recognizes and whose response it knows.
aiohttp handles every other request: unusual ones, slow ones, and all whose response is an error.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from aiohttp import web

from runtime.clients import Clients, ConnectionState
from runtime.http_server import BoundedHandler, BoundedServer, Refuse, scope_of
from runtime.plain_http import PlainRequest, PlainRequests, is_one_bodiless_request
from runtime.request_scope import HEADER, RequestScope, current_scope, request_scope
from runtime.traffic import SLOW_SECONDS, RequestKind, Series, log_request

log = logging.getLogger(__name__)

Response: TypeAlias = Sequence[bytes | bytearray]
"""The head and the body of a response."""

Admit = Callable[[PlainRequest], bool]
"""Return True if the body of a plain request may be held. Its sender is known by the head."""

RespondPlain = Callable[[PlainRequest, bytes], Response | Awaitable[Response | None] | None]
"""Return the whole response to a plain request with this body, or None to leave it to aiohttp.

A request that is left must have had no effect, or one that a repetition does not change.
"""

SERVER_NAME = "glassplate"
"""The `Server` header of every response. The version of a library would help only an attacker."""

# The fast path has its own idle timer, because that of aiohttp does not see its responses.
_NEVER_SECONDS = 365 * 86400
# All bodies that a port holds at a moment. Further ones are left to aiohttp, which streams them.
_HELD_BYTES_MAX = 64 * 1024 * 1024
# Requests behind one that is being handled wait up to this length, then in the kernel.
_WAITING_BYTES_MAX = 64 * 1024
_ID_HEADER = HEADER.lower().encode()
# Position of the code in the first line of a response.
_CODE = slice(9, 12)


class PlainServer(BoundedServer):
    """A `BoundedServer` with a fast path.

    It closes a connection that received nothing for `idle_seconds`.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        requests: PlainRequests,
        respond_plain: RespondPlain,
        refuse: Refuse,
        clients: Clients,
        *,
        admit: Admit,
        idle_seconds: float,
        request_factory: Any = None,
        **options: Any,
    ) -> None:
        async def mark_answering(request: web.BaseRequest) -> web.StreamResponse:
            protocol: Any = request.protocol
            protocol.is_answering = True
            protocol.target = request.raw_path.encode()
            return await handler(request)

        super().__init__(
            mark_answering,
            refuse,
            clients,
            request_factory=request_factory,
            **options | {"keepalive_timeout": _NEVER_SECONDS},
        )
        self.requests = requests
        self._series: dict[bytes, Series] = {}
        self.respond_plain = respond_plain
        self.admit = admit
        self.idle_seconds = idle_seconds
        self._held_bytes = 0

    def may_hold(self, request: PlainRequest) -> bool:
        """Return True if the incomplete body of a request may be held, and count it if so."""
        is_held = self._held_bytes + request.body_bytes <= _HELD_BYTES_MAX and self.admit(request)
        if is_held:
            self._held_bytes += request.body_bytes
        return is_held

    def release(self, request: PlainRequest) -> None:
        """Count a body no more that `may_hold` has counted."""
        self._held_bytes -= request.body_bytes

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        return PlainHandler(self, self._options)

    def finish_plain(self, request: PlainRequest, response: Response, seconds: float) -> None:
        """Count a plain request that has ended, and log it if the port logs such requests."""
        traffic = self.clients.traffic
        status = bytes(response[0][_CODE])
        series = self._series.get(status)
        if series is None:
            series = traffic.series_of(self.requests.route, self.requests.method, int(status))
            self._series[status] = series
        sent_bytes = len(response[0]) + len(response[1])
        series.record(seconds, request.body_bytes, sent_bytes)
        if traffic.is_internal and seconds <= SLOW_SECONDS:
            return
        log_request(
            current_scope() or self.scope_of(request),
            RequestKind(self.requests.route, self.requests.method, int(status)),
            seconds=seconds,
            received_bytes=request.body_bytes,
            sent_bytes=sent_bytes,
        )

    def scope_of(self, request: PlainRequest) -> RequestScope:
        """Return the scope of a plain request."""
        sent_id = request.headers.get(_ID_HEADER, b"").decode()
        return scope_of(sent_id, is_internal=self.clients.traffic.is_internal)


class PlainRunner(web.AppRunner):
    """A `web.AppRunner` whose server is a `PlainServer`."""

    def __init__(
        self,
        application: web.Application,
        requests: PlainRequests,
        respond_plain: RespondPlain,
        refuse: Refuse,
        clients: Clients,
        *,
        admit: Admit,
        idle_seconds: float,
        **options: Any,
    ) -> None:
        super().__init__(application, **options)
        application.on_response_prepare.append(_name_server)
        self._arguments = (requests, respond_plain, refuse, clients)
        self._options = options | {"admit": admit, "idle_seconds": idle_seconds}

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return PlainServer(
            made.request_handler,
            *self._arguments,
            request_factory=made.request_factory,
            **self._options,
        )


async def _name_server(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER_NAME


class PlainHandler(BoundedHandler):
    """The protocol of one connection of a `PlainServer`."""

    __slots__ = (
        "_at_boundary",
        "_held",
        "_incomplete",
        "_incomplete_bytes",
        "_pending",
        "_received_at",
        "_responding",
        "_server",
        "_timer",
        "_waiting",
        "is_answering",
        "target",
    )

    def __init__(self, server: PlainServer, options: dict[str, Any]) -> None:
        super().__init__(server, options)
        self._server = server
        self._received_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        # True while a handler works, during which the connection is not idle.
        self.is_answering = False
        # Target of the request that is or was answered last.
        self.target = b""
        # Number of requests in aiohttp without a response. Responses keep the order of requests.
        self._pending = 0
        # True while the next bytes received are known to start a new request.
        self._at_boundary = True
        # The plain request whose body is incomplete or in use, its parts, and what they lack.
        self._held: PlainRequest | None = None
        self._incomplete: list[bytes] = []
        self._incomplete_bytes = 0
        # The task of the plain request under way, and what came behind that request.
        self._responding: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the idle timer."""
        super().connection_made(transport)
        self._timer = self._loop.call_later(self._server.idle_seconds, self._close_if_idle)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the idle timer. A plain request under way is completed."""
        if self._timer is not None:
            self._timer.cancel()
        if self._responding is None:
            self._release()
        self._incomplete.clear()
        self._waiting.clear()
        super().connection_lost(exc)

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109  # aiohttp's
        """Wait for the plain request under way, then shut down as aiohttp does."""
        if self._responding is not None:
            await asyncio.wait([self._responding], timeout=timeout)
        await super().shutdown(timeout)

    def state(self, now_seconds: float) -> ConnectionState | None:
        """Return what the client is at. A slow body is left to aiohttp, which has its limits."""
        self._leave_incomplete()
        return super().state(now_seconds)

    def data_received(self, data: bytes) -> None:
        """Respond on the fast path, or pass the bytes to aiohttp."""
        self._received_at = self._loop.time()
        if self._responding is not None:
            self._wait(data)
        elif self._incomplete:
            self._continue(data)
        elif not (self._at_boundary and not self._pending and self._begin(data)):
            self._leave(data, is_one_request=self._at_boundary and is_one_bodiless_request(data))

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

    def _begin(self, data: bytes) -> bool:
        """Handle the start of a plain request; return False for any other data."""
        # aiohttp applies backpressure to clients that do not read their responses.
        if self.writing_paused or self.transport is None or self.transport.is_closing():
            return False
        request = self._server.requests.recognize(data)
        if request is None:
            return False
        if request.total_bytes > len(data):
            if not self._server.may_hold(request):
                return False
            self._held = request
            self._incomplete, self._incomplete_bytes = [data], request.total_bytes - len(data)
            return True
        return self._respond(request, [data])

    def _continue(self, data: bytes) -> None:
        self._incomplete.append(data)
        self._incomplete_bytes -= len(data)
        if self._incomplete_bytes > 0:
            return
        assert self._held is not None, "the body of a request is incomplete"
        parts, self._incomplete = self._incomplete, []
        if self._incomplete_bytes < 0:  # more follows than the body
            self._leave(b"".join(parts), is_one_request=False)
        elif not self._respond(self._held, parts):
            self._leave(b"".join(parts), is_one_request=True)

    def _respond(self, request: PlainRequest, parts: Sequence[bytes]) -> bool:
        started = time.perf_counter()
        try:
            head = parts[0][: request.head_bytes]
            body = b"".join([memoryview(parts[0])[request.head_bytes :], *parts[1:]])
            response = self._server.respond_plain(request, body)
        except Exception:  # noqa: BLE001  # the handler meets and reports the same fault
            return False
        if response is None:
            return False
        self.target = request.target
        if isinstance(response, Awaitable):
            self.is_answering = True
            later = self._respond_later(request, response, head, body, started)
            self._responding = self._loop.create_task(later)
        else:
            assert self.transport is not None
            self.transport.writelines(response)
            self._server.finish_plain(request, response, time.perf_counter() - started)
            self._release()
        return True

    async def _respond_later(
        self,
        request: PlainRequest,
        pending: Awaitable[Response | None],
        head: bytes,
        body: bytes,
        started: float,
    ) -> None:
        traffic = self._server.clients.traffic
        response = None
        traffic.in_progress += 1
        with request_scope(self._server.scope_of(request)):
            try:
                with contextlib.suppress(Exception):  # the handler meets and reports the same fault
                    response = await pending
            finally:
                traffic.in_progress -= 1
            if response is not None:
                self._server.finish_plain(request, response, time.perf_counter() - started)
        self._responding, self.is_answering = None, False
        self._release()
        self._received_at = self._loop.time()
        if self.transport is None or self.transport.is_closing():
            return
        if response is None:
            self._leave(head + body, is_one_request=True)
        else:
            self.transport.writelines(response)
        if self._waiting:
            waiting, self._waiting = b"".join(self._waiting), []
            self._resume_transport_reading()
            self.data_received(waiting)

    def _wait(self, data: bytes) -> None:
        """Keep what came behind the request under way."""
        self._waiting.append(data)
        if sum(map(len, self._waiting)) > _WAITING_BYTES_MAX:
            self._pause_transport_reading()

    def _leave(self, data: bytes, *, is_one_request: bool) -> None:
        """Pass data to aiohttp."""
        self._release()
        if self._at_boundary:
            self._at_boundary = is_one_request
            self._pending += 1
        super().data_received(data)

    def _leave_incomplete(self) -> None:
        if self._incomplete:
            data, self._incomplete = b"".join(self._incomplete), []
            self._leave(data, is_one_request=False)

    def _release(self) -> None:
        if self._held is not None:
            self._server.release(self._held)
            self._held = None

    def _close_if_idle(self) -> None:
        remaining = self._received_at + self._server.idle_seconds - self._loop.time()
        if remaining > 0 or self.is_answering:
            self._timer = self._loop.call_later(max(remaining, 1.0), self._close_if_idle)
        else:
            self.force_close()
