"""Client of one memcached server, in its text protocol. A server that fails has no values.

Several keys share a request, and all of it runs on the event loop.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from runtime.lag_free_timeout import lag_free_timeout
from runtime.tls.certificate import Certificate
from volumes.address import Address
from volumes.machines import MEMCACHED

log = logging.getLogger(__name__)

# A cache slower than this is slower than the disk.
RESPONSE_SECONDS = 0.1
# Connections that are kept to a server.
IDLE_MAX = 8
# More than a value of memcached has by default.
_BUFFER_BYTES = 2 * 1024 * 1024

_WRITE_RESULTS = {b"STORED\r\n", b"NOT_STORED\r\n", b"EXISTS\r\n", b"NOT_FOUND\r\n"}

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Value:
    """A stored value, and memcached's token of it, which any later write changes."""

    data: bytes
    token: bytes


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    def send(self, commands: bytes) -> None:
        self._writer.write(commands)

    def close(self) -> None:
        # The event loop of the connection may be closed already.
        with contextlib.suppress(RuntimeError):
            self._writer.transport.abort()


_Read = Callable[[asyncio.StreamReader], Awaitable[_Result]]


class MemcachedServer:
    """Requests to one server, over TLS if there is a certificate of the own machine."""

    def __init__(self, address: Address, certificate: Certificate | None = None) -> None:
        self._address = address
        self._certificate = certificate
        self._idle: list[_Connection] = []

    async def get(self, keys: Iterable[str]) -> dict[str, Value]:
        """Return the values of the keys that have one."""
        return await self._request(f"gets {' '.join(keys)}\r\n".encode(), _read_values) or {}

    async def put(
        self, values: Mapping[str, bytes], tokens: Mapping[str, bytes], *, ttl_seconds: int
    ) -> None:
        """Store values where nothing changed since `get` returned the tokens.

        A key without a token must have no value.
        """
        commands = b"".join(
            _write(b"cas", key, data, ttl_seconds, b" " + tokens[key])
            if key in tokens
            else _write(b"add", key, data, ttl_seconds)
            for key, data in values.items()
        )
        await self._request(commands, lambda reader: _read_lines(reader, len(values)))

    async def replace(self, keys: Iterable[str], data: bytes, *, ttl_seconds: int) -> None:
        """Store the same value for all keys, whatever they have."""
        writes = [_write(b"set", key, data, ttl_seconds) for key in keys]
        await self._request(b"".join(writes), lambda reader: _read_lines(reader, len(writes)))

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().close()

    async def _request(self, commands: bytes, read: _Read[_Result]) -> _Result | None:
        """Send commands and return their result, or None if the server fails."""
        try:
            async with lag_free_timeout(RESPONSE_SECONDS):
                if self._idle:
                    with contextlib.suppress(OSError, EOFError):
                        return await self._exchange(self._idle.pop(), commands, read)
                    # The server has restarted, and closed all connections.
                    self.close()
                return await self._exchange(await self._connect(), commands, read)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            log.debug("memcached at %s failed: %r", self._address, error)
            return None

    async def _exchange(
        self, connection: _Connection, commands: bytes, read: _Read[_Result]
    ) -> _Result:
        try:
            connection.send(commands)
            result = await read(connection.reader)
        except BaseException:
            connection.close()
            raise
        if len(self._idle) < IDLE_MAX:
            self._idle.append(connection)
        else:
            connection.close()
        return result

    async def _connect(self) -> _Connection:
        host, port = self._address.host, self._address.port
        tls = self._certificate.options_for(MEMCACHED) if self._certificate else {}
        opened = await asyncio.open_connection(host, port, limit=_BUFFER_BYTES, **tls)
        return _Connection(*opened)


def _write(command: bytes, key: str, data: bytes, ttl_seconds: int, token: bytes = b"") -> bytes:
    return b"%b %b 0 %d %d%b\r\n%b\r\n" % (
        command,
        key.encode(),
        ttl_seconds,
        len(data),
        token,
        data,
    )


async def _read_values(reader: asyncio.StreamReader) -> dict[str, Value]:
    values = {}
    while (line := await _read_line(reader)) != b"END\r\n":
        fields = line.split()
        if len(fields) != 5 or fields[0] != b"VALUE":
            raise ValueError(f"memcached returned {line[:100]!r}")
        _, key, _, size_bytes, token = fields
        data = await reader.readexactly(int(size_bytes) + 2)
        values[key.decode("ascii")] = Value(data[:-2], token)
    return values


async def _read_lines(reader: asyncio.StreamReader, count: int) -> None:
    for _ in range(count):
        line = await _read_line(reader)
        if line not in _WRITE_RESULTS:
            raise ValueError(f"memcached returned {line[:100]!r}")


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readline()
    if not line:
        raise EOFError
    return line
