"""An HTTP server whose commonest request, a plain GET, is answered in one step.

What a reader or an edge sends for a photo is one request line and headers that ask for nothing.
aiohttp makes objects and a task for each, which costs as much as reading and hashing the photo.
Here such a request is recognised by its bytes, strictly, and answered at once if that needs no
waiting. All else, down to an unusual space, goes to aiohttp as if there were no shortcut.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from runtime.clients import Clients
from runtime.http_server import BoundedHandler, BoundedServer, Refuse

FastPath = Callable[[bytes], Sequence[bytes | bytearray] | None]
"""The whole answer to a plain GET of a raw target, or None: only the handler can say."""

# No edge sends more for a photo; what is longer is looked at by the parser.
_HEAD_BYTES_MAX = 4096
_HEADERS_MAX = 40
# aiohttp's own timer for silent connections knows nothing of what was answered without it.
_NEVER_SECONDS = 365 * 86400
# Headers that change nothing about an answer of ours. Those that do are of conditions, ranges,
# bodies, and the connection itself.
_IDLE_NAMES = (
    rb"(?i:accept|cache-control|dnt|photo-|pragma|priority|referer|sec-(?:ch-|fetch-|gpc)|"
    rb"upgrade-insecure-requests|user-agent|via|x-)[A-Za-z-]*"
)
_IDLE_LINES = rb"(?:" + _IDLE_NAMES + rb": [ -~]*\r\n){0,%d}" % _HEADERS_MAX
_HOST_LINE = rb"(?i:host): [!-~]+\r\n"
_PLAIN_GET = re.compile(
    rb"GET (/[!-~]*) HTTP/1\.1\r\n" + _IDLE_LINES + _HOST_LINE + _IDLE_LINES + rb"\r\n"
)
# One request and nothing behind it, whatever it asks for: the parser has seen the end of it.
_FRAMING_NAMES = rb"(?i:connection|content-[a-z]+|transfer-[a-z]+|upgrade):"
_ONE_REQUEST = re.compile(
    rb"(?:GET|HEAD|OPTIONS) [!-~]+ HTTP/1\.1\r\n"
    rb"(?:(?!" + _FRAMING_NAMES + rb")[A-Za-z0-9-]+: [ -~]*\r\n)*\r\n"
)


class FastPathServer(BoundedServer):
    """A `BoundedServer` that has an answer at once to some requests.

    A connection is closed when nothing has come on it for `idle_seconds`.
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
        async def noted(request: web.BaseRequest) -> web.StreamResponse:
            protocol: Any = request.protocol
            protocol.is_answering = True
            return await handler(request)

        super().__init__(noted, refuse, clients, keepalive_timeout=_NEVER_SECONDS, **options)
        self._answer_at_once = try_fast_path
        self._idle_seconds = idle_seconds

    def __call__(self) -> web.RequestHandler:
        """The protocol of one new connection."""
        return _PlainGetHandler(self, self._options, self._answer_at_once, self._idle_seconds)


class _PlainGetHandler(BoundedHandler):
    __slots__ = (
        "_answer_at_once",
        "_heard_at",
        "_idle_seconds",
        "_is_sure",
        "_timer",
        "_unanswered",
        "is_answering",
    )

    def __init__(
        self,
        server: BoundedServer,
        options: dict[str, Any],
        try_fast_path: FastPath,
        idle_seconds: float,
    ) -> None:
        super().__init__(server, options)
        self._answer_at_once = try_fast_path
        self._idle_seconds = idle_seconds
        self._heard_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        # The handler is at work, however long the client has said nothing.
        self.is_answering = False
        # How many requests aiohttp has got and not answered; answers go in the order of requests.
        self._unanswered = 0
        # Where one request ends and the next begins is known here, and not to the parser alone.
        self._is_sure = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to watch for silence."""
        super().connection_made(transport)
        self._timer = self._loop.call_later(self._idle_seconds, self._close_if_silent)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Answer it at once, or have aiohttp do so."""
        self._heard_at = self._loop.time()
        if self._is_sure:
            if not self._unanswered and self._is_answered(data):
                return
            self._is_sure = _ONE_REQUEST.fullmatch(data) is not None
            self._unanswered += 1
        super().data_received(data)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer of the handler."""
        finished = await super().finish_response(request, resp, start_time)
        self.is_answering = False
        self._heard_at = self._loop.time()
        self._unanswered -= 1
        self._is_sure = self._is_sure and bool(finished[0].keep_alive)
        return finished

    def _is_answered(self, data: bytes) -> bool:
        # A client that does not read its answers waits for its turn, as aiohttp has it.
        if len(data) > _HEAD_BYTES_MAX or self.writing_paused or self.transport is None:
            return False
        plain = _PLAIN_GET.fullmatch(data)
        if plain is None or self.transport.is_closing():
            return False
        try:
            answer = self._answer_at_once(plain[1])
        except Exception:  # noqa: BLE001  # the handler meets the same fault, and tells of it
            return False
        if answer is None:
            return False
        self.transport.writelines(answer)
        return True

    def _close_if_silent(self) -> None:
        left = self._heard_at + self._idle_seconds - self._loop.time()
        if left > 0 or self.is_answering:
            self._timer = self._loop.call_later(max(left, 1.0), self._close_if_silent)
        else:
            self.force_close()
