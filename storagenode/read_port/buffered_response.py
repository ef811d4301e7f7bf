"""An answer that is whole in memory, and leaves in one write.

aiohttp makes each answer ready for all that a handler might still want: cookies, compression, a
length that is not known, hooks. Of a photo's answer nothing is left open when it is made, and a
read costs a sixth less if it is simply sent.
"""

import time
from collections.abc import Mapping
from typing import Any

from aiohttp import HttpVersion11, web

from storagenode.read_port.http_semantics import http_date

# What a reader's browser may do with any answer: nothing but show it.
SAFETY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Server": "glassplate",
}

_SAFETY_LINES = "\r\n".join(f"{name}: {text}" for name, text in SAFETY_HEADERS.items())

# A body of these is not sent, and of the first two no length either (RFC 9110, 8.6 and 15.4.5).
_BODILESS = {204, 304}


class BufferedResponse(web.StreamResponse):
    """Status, headers and all bytes of an answer, with `SAFETY_HEADERS` and what HTTP asks for.

    The headers must be our own words: they are sent as they are.
    """

    def __init__(
        self, *, status: int, headers: dict[str, str], body: bytes | bytearray | memoryview = b""
    ) -> None:
        super().__init__(status=status)
        self._own_headers = headers
        self.body = body

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send all of it."""
        if self._eof_sent:
            return
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        body = b"" if request.method == "HEAD" else self.body
        chunks = (self._head(request), body)
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has hung up")
        transport.writelines(chunks)
        self._eof_sent = True
        self._body_length = len(body)
        # A client that reads slowly holds up its own next request alone.
        await request.writer.drain()

    async def write_eof(self, data: Any = b"") -> None:
        """Nothing is left to send."""
        del data

    def _head(self, request: web.BaseRequest) -> bytes:
        headers = self._own_headers
        if not self._keep_alive:
            headers = headers | {"Connection": "close"}
        elif request.version != HttpVersion11:
            headers = headers | {"Connection": "keep-alive"}
        major, minor = request.version
        return render_head(
            f"HTTP/{major}.{minor} {self.status} {self.reason}",
            headers,
            body_bytes=None if self.status in _BODILESS else len(self.body),
        )


def render_head(status_line: str, headers: Mapping[str, str], *, body_bytes: int | None) -> bytes:
    """The head of an answer, with what is said in all of them. Without a body it has no length."""
    lines = [f"{name}: {text}" for name, text in headers.items()]
    if body_bytes is not None:
        lines.append(f"Content-Length: {body_bytes}")
    date = f"Date: {http_date(int(time.time()))}"
    return "\r\n".join([status_line, *lines, _SAFETY_LINES, date, "\r\n"]).encode("latin-1")
