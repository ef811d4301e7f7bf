"""Limits on the number and the speed of the clients of one port.

A client that sends half a head, sends a body byte by byte, or never reads its response holds a
connection, a handler, and memory. `Clients` watches the connections of one port and ends these.
Progress is what the kernel has received and what the client has acknowledged (`TCP_INFO`, see
tcp(7)), so that neither aiohttp's buffers nor its fast paths hide it.
"""

import asyncio
import contextlib
import fcntl
import resource
import socket
import struct
import termios
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from runtime.tasks_beside import run_beside
from runtime.traffic import Traffic

_TCP_INFO_BYTES = 136
_BYTES_ACKED_AND_RECEIVED = struct.Struct("=QQ")
_BYTES_ACKED_OFFSET = 120

# Descriptors that a process keeps for its disk, its peers, and its other port.
RESERVED_FILES = 512


class Offense(StrEnum):
    """Reason for ending a connection; also a label in metrics."""

    TOO_MANY = "too_many_connections"
    NOT_PERMITTED = "not_permitted"
    """The client's certificate names no machine that may use the port."""
    SLOW_HEAD = "slow_head"
    SLOW_BODY = "slow_body"
    SLOW_READER = "slow_reader"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Limits of the clients of one port."""

    connections_max: int
    head_seconds_max: float = 10.0
    """From the first byte of a request's head to its last."""
    bytes_per_second_min: int = 500
    """Minimum rate of a body and of a response, on average over a window."""
    window_seconds: float = 30.0
    check_seconds: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionState:
    """One connection at one moment."""

    head_seconds: float = 0.0
    """Time since the first byte of an incomplete head; 0 without one."""
    is_receiving: bool = False
    """True if a handler waits for more of a body."""
    is_sending: bool = False
    """True if a part of a response waits for the client to read."""
    bytes_received: int = 0
    bytes_acknowledged: int = 0


class Connection(Protocol):
    """Interface of one connection's protocol that `Clients` needs."""

    def certificate(self) -> Mapping[str, Any] | None:
        """Return the verified certificate of the client, or None without TLS."""

    def state(self, now_seconds: float) -> ConnectionState | None:
        """Return the connection's state, or None if it is closed."""

    def reject(self, offense: Offense) -> None:
        """End the connection: with status 408 where a handler can still send it, or at once."""


Permits = Callable[[Mapping[str, Any] | None], bool]
"""Return True if a client with this verified certificate may use the port now."""


def permit_all(_: Mapping[str, Any] | None) -> bool:
    """Permit every client, as a port without TLS does."""
    return True


@dataclass(slots=True)
class _Rate:
    """Progress in one direction, over windows that start again whenever the direction is idle."""

    since_seconds: float | None = None
    bytes_at_start: int = 0

    def is_slow(
        self, now_seconds: float, count: int, limits: ClientLimits, *, is_active: bool
    ) -> bool:
        """Return True if a whole window has passed with less than the least progress."""
        if not is_active or self.since_seconds is None:
            self.since_seconds = now_seconds if is_active else None
            self.bytes_at_start = count
            return False
        elapsed_seconds = now_seconds - self.since_seconds
        if elapsed_seconds < limits.window_seconds:
            return False
        is_slow = count - self.bytes_at_start < limits.bytes_per_second_min * elapsed_seconds
        self.since_seconds, self.bytes_at_start = now_seconds, count
        return is_slow


class _Watched:
    """One connection and its progress so far."""

    __slots__ = ("_body", "_connection", "_response")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._body = _Rate()
        self._response = _Rate()

    def offense(self, now_seconds: float, limits: ClientLimits) -> Offense | None:
        """Return what the client does wrong now, or None."""
        state = self._connection.state(now_seconds)
        if state is None:
            return None
        is_slow_body = self._body.is_slow(
            now_seconds, state.bytes_received, limits, is_active=state.is_receiving
        )
        is_slow_reader = self._response.is_slow(
            now_seconds, state.bytes_acknowledged, limits, is_active=state.is_sending
        )
        if state.head_seconds > limits.head_seconds_max:
            return Offense.SLOW_HEAD
        if is_slow_body:
            return Offense.SLOW_BODY
        return Offense.SLOW_READER if is_slow_reader else None


class Clients:
    """The connections and requests of one port. Not thread-safe: for the port's event loop."""

    def __init__(
        self,
        limits: ClientLimits,
        traffic: Traffic | None = None,
        *,
        permits: Permits = permit_all,
    ) -> None:
        self.limits = limits
        self._permits = permits
        self.traffic = traffic or Traffic()
        self.rejected: Counter[Offense] = Counter(dict.fromkeys(Offense, 0))
        self._watched: dict[Connection, _Watched] = {}

    @property
    def count(self) -> int:
        """Number of open connections."""
        return len(self._watched)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The open connections."""
        return tuple(self._watched)

    def admit(self, connection: Connection) -> None:
        """Watch a new connection, or reject it: it is not permitted, or there are too many."""
        if not self._permits(connection.certificate()):
            self.rejected[Offense.NOT_PERMITTED] += 1
            connection.reject(Offense.NOT_PERMITTED)
        elif len(self._watched) >= self.limits.connections_max:
            self.rejected[Offense.TOO_MANY] += 1
            connection.reject(Offense.TOO_MANY)
        else:
            self._watched[connection] = _Watched(connection)

    def forget(self, connection: Connection) -> None:
        """Watch a closed connection no longer."""
        self._watched.pop(connection, None)

    def check(self, now_seconds: float) -> None:
        """End the connections whose clients are beyond the limits, or no longer permitted."""
        for connection, watched in list(self._watched.items()):
            offense = watched.offense(now_seconds, self.limits)
            if offense is None and not self._permits(connection.certificate()):
                offense = Offense.NOT_PERMITTED
            if offense is not None:
                self.rejected[offense] += 1
                connection.reject(offense)

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Check the connections regularly until the block exits."""
        async with run_beside(self._watch()):
            yield

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.check_seconds)
            self.check(loop.time())


def progress_of(connected: socket.socket) -> tuple[int, int]:
    """Return the bytes that a TCP peer has sent, and those it has acknowledged."""
    info = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    acknowledged, received = _BYTES_ACKED_AND_RECEIVED.unpack_from(info, _BYTES_ACKED_OFFSET)
    return received, acknowledged


def unacknowledged_bytes(connected: socket.socket) -> int:
    """Return how many bytes the kernel holds that a TCP peer has not acknowledged (tcp(7))."""
    (count,) = struct.unpack("=i", fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, bytes(4)))
    return int(count)


def allow_open_files(*, wanted: int = 65_536) -> int:
    """Raise this process's limit on open files as far as it may; return the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        return limit
    return wanted if soft == resource.RLIM_INFINITY else soft


def share_of_connections(open_files: int, *, ports: int) -> int:
    """Return the most connections that each of several ports may have.

    >>> share_of_connections(1024, ports=2), share_of_connections(65_536, ports=2)
    (256, 32512)
    """
    return max(64, (open_files - RESERVED_FILES) // ports)
