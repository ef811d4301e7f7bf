"""Minimal HTTP/1.1 client for requests from memory to a node over persistent connections.

For a small photo, a general HTTP client costs more than all other work on the upload. This client
sends bodies from memory and reads responses of a declared length into memory.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.lag_free_timeout import lag_free_timeout
from runtime.tls.certificate import is_retired
from volumes.address import Address

TlsOptions = Callable[[], dict[str, Any]]

# Idle connections above this number are closed.
IDLE_MAX = 64
HEAD_BYTES_MAX = 16 * 1024


class MalformedResponse(Exception):
    """The response is not HTTP as a node sends it."""


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A complete response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def is_retired(self) -> bool:
        """True if the other end is of an authority that has been removed."""
        tls = self.writer.get_extra_info("ssl_object")
        return tls is not None and is_retired(tls)


class RawHttpClient:
    """Persistent connections to one address, each with one request at a time.

    `tls_options` returns the current options of a `Certificate` for a server, if it speaks TLS.
    """

    def __init__(
        self, address: Address, *, connect_seconds: float, tls_options: TlsOptions = dict
    ) -> None:
        self._address = address
        self._tls_options = tls_options
        self._connect_seconds = connect_seconds
        self._idle: list[_Connection] = []
        self._is_closed = False

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: Sequence[bytes]
    ) -> RawResponse:
        """Send a request, whose body is given in parts, and return the response.

        Requests must be idempotent, because one can be sent twice.

        Raises:
            OSError, TimeoutError: The node is unreachable, or the connection broke.
            MalformedResponse: The response is not HTTP as a node sends it.
        """
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._address}"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        lines += [f"Content-Length: {sum(map(len, body))}", "", ""]
        request = ["\r\n".join(lines).encode("ascii"), *body]
        connection = self._take_idle()
        if connection is not None:
            try:
                return await self._exchange(connection, request)
            except (ConnectionError, EOFError):
                # The node closes connections that are idle for long.
                pass
        try:
            return await self._exchange(await self._open(), request)
        except EOFError as error:
            raise ConnectionResetError("the node closed the connection early") from error

    def close(self) -> None:
        """Close all connections."""
        self._is_closed = True
        for connection in self._idle:
            connection.writer.transport.abort()
        self._idle.clear()

    def _take_idle(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_retired:
                return connection
            connection.writer.transport.abort()
        return None

    async def _open(self) -> _Connection:
        async with lag_free_timeout(self._connect_seconds):
            opened = await asyncio.open_connection(
                self._address.host, self._address.port, limit=HEAD_BYTES_MAX, **self._tls_options()
            )
        return _Connection(*opened)

    async def _exchange(self, connection: _Connection, request: Sequence[bytes]) -> RawResponse:
        is_kept = False
        try:
            connection.writer.writelines(request)
            response = await _read_response(connection.reader)
            is_kept = not self._is_closed and len(self._idle) < IDLE_MAX
            is_kept = is_kept and response.headers.get("connection", "").lower() != "close"
        finally:
            if is_kept:
                self._idle.append(connection)
            else:
                connection.writer.transport.abort()
        return response


async def _read_response(reader: asyncio.StreamReader) -> RawResponse:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise MalformedResponse("response head is too long") from error
    try:
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {
            name.lower(): text.strip() for name, _, text in (i.partition(":") for i in lines)
        }
        status, length = int(first.split(" ", 2)[1]), int(headers["content-length"])
    except (ValueError, IndexError, KeyError) as error:
        raise MalformedResponse(f"invalid response head: {error!r}") from error
    return RawResponse(status, headers, await reader.readexactly(length))
