"""Short requests to a node over kept connections, in as few steps as HTTP/1.1 allows.

For a small photo a general HTTP client costs more than all else that is done with it, and it is
asked twice for each. This one sends what is in memory whole and reads an answer that is as short.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from volumes.address import Address

# More connections than this are closed once they are idle.
IDLE_MAX = 64
HEAD_BYTES_MAX = 16 * 1024


class MalformedResponse(Exception):
    """What came is no HTTP that a node sends."""


@dataclass(frozen=True, slots=True)
class RawResponse:
    """An answer, whole; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class RawHttpClient:
    """Connections to one address, each for one request at a time."""

    def __init__(self, address: Address, *, connect_seconds: float) -> None:
        self._address = address
        self._connect_seconds = connect_seconds
        self._idle: list[_Connection] = []
        self._is_closed = False

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> RawResponse:
        """What the node answers. A request may be sent twice, so it must be harmless to repeat.

        Raises:
            OSError, TimeoutError: It cannot be reached, or was lost.
            BadAnswer: As its name says.
        """
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._address}"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        request = "\r\n".join(lines).encode("ascii") + body
        if self._idle:
            try:
                return await self._exchange(self._idle.pop(), request)
            except (ConnectionError, EOFError):
                # The node has closed a connection that was idle for long.
                pass
        try:
            return await self._exchange(await self._open(), request)
        except EOFError as error:
            raise ConnectionResetError("it hung up before its answer was whole") from error

    def close(self) -> None:
        """Let go of all connections."""
        self._is_closed = True
        for connection in self._idle:
            connection.writer.transport.abort()
        self._idle.clear()

    async def _open(self) -> _Connection:
        opening = asyncio.open_connection(
            self._address.host, self._address.port, limit=HEAD_BYTES_MAX
        )
        return _Connection(*await asyncio.wait_for(opening, self._connect_seconds))

    async def _exchange(self, connection: _Connection, request: bytes) -> RawResponse:
        is_kept = False
        try:
            connection.writer.write(request)
            answer = await _read_answer(connection.reader)
            is_kept = not self._is_closed and len(self._idle) < IDLE_MAX
            is_kept = is_kept and answer.headers.get("connection", "").lower() != "close"
        finally:
            if is_kept:
                self._idle.append(connection)
            else:
                connection.writer.transport.abort()
        return answer


async def _read_answer(reader: asyncio.StreamReader) -> RawResponse:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise MalformedResponse("its head does not end") from error
    try:
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {
            name.lower(): text.strip() for name, _, text in (i.partition(":") for i in lines)
        }
        status, length = int(first.split(" ", 2)[1]), int(headers["content-length"])
    except (ValueError, IndexError, KeyError) as error:
        raise MalformedResponse(f"its head cannot be read: {error!r}") from error
    return RawResponse(status, headers, await reader.readexactly(length))
