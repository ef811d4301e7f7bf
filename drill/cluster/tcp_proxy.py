"""A TCP proxy with faults: delays, freezes, cuts, resets, and flipped bits."""

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum

from volumes.address import Address

READ_BYTES = 64 * 1024


class Direction(Enum):
    """Direction of bytes through the proxy, by receiver."""

    TARGET = "target"
    CLIENT = "client"


class Fault(Enum):
    """A fault that occurs after a number of bytes."""

    FREEZE = "freeze"
    """All connections stay open, and no more bytes pass in either direction."""
    CUT = "cut"
    """The connection closes, as when a process exits."""
    RESET = "reset"
    """The connection is reset, as when a process is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConditions:
    """Conditions of a link. Each probability applies to one chunk."""

    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    """Maximum random addition to the delay."""
    bytes_per_second: int = 0
    """Bandwidth of one connection; 0 is unlimited."""
    stall_probability: float = 0.0
    stall_seconds: float = 0.0
    reset_probability: float = 0.0
    flip_probability: float = 0.0
    """Probability that one bit of a chunk flips."""
    reset_after_bytes: int = 0
    """Each connection is reset after this many bytes to its client."""


UNIMPAIRED = LinkConditions()


class TcpProxy:
    """Proxy that forwards connections to a target and counts its faults."""

    def __init__(self, listen: Address, target: Address, *, seed: int = 0) -> None:
        self.address = listen
        self.connections = 0
        self.bytes_passed = dict.fromkeys(Direction, 0)
        self.conditions = UNIMPAIRED
        self.is_cut = False
        """True if the proxy resets new connections."""
        self.did: Counter[str] = Counter()
        """Number of faults by kind: `held`, `cut`, `delayed`, `stalled`, `reset`, `flipped`."""
        self.fired = asyncio.Event()
        """Set when the planned fault has occurred, so that a test can prove that it did."""
        self._target = target
        self._rng = random.Random(seed)  # noqa: S311  # reproducible faults
        self._gates = {direction: asyncio.Event() for direction in Direction}
        self._planned: tuple[Fault, Direction, int] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.unfreeze()

    def freeze(self, *directions: Direction) -> None:
        """Hold all bytes in these directions, or in both; accept connections and keep them open."""
        for direction in directions or Direction:
            self._gates[direction].clear()

    def unfreeze(self) -> None:
        """Forward again, starting with the held bytes."""
        for gate in self._gates.values():
            gate.set()

    def cut(self) -> None:
        """Reset every connection, and reject new ones until `reconnect`."""
        self.is_cut = True
        self.reset_all()

    def reconnect(self) -> None:
        """Accept connections again."""
        self.is_cut = False

    def reset_all(self) -> None:
        """Reset every open connection."""
        self.did["cut"] += len(self._tasks)
        for task in self._tasks:
            task.cancel()

    def plan(
        self, fault: Fault, *, after_bytes: int, direction: Direction = Direction.TARGET
    ) -> None:
        """Plan a fault to occur once, after this many more bytes in one direction."""
        self.fired.clear()
        self._planned = (fault, direction, self.bytes_passed[direction] + after_bytes)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Start to forward one connection."""
        if self.is_cut:
            self.did["cut"] += 1
            _abort_with_reset(writer)
            return
        self.connections += 1
        task = asyncio.create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Close all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(writer.transport.abort)
            try:
                target_reader, target_writer = await asyncio.open_connection(
                    self._target.host, self._target.port
                )
            except OSError:
                return
            stack.callback(target_writer.transport.abort)
            pumps = [
                asyncio.create_task(self._pump(reader, target_writer, Direction.TARGET)),
                asyncio.create_task(self._pump(target_reader, writer, Direction.CLIENT)),
            ]
            for pump in pumps:
                stack.callback(pump.cancel)
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
            if any(isinstance(pump.exception(), _WasReset) for pump in done):
                for side in (writer, target_writer):
                    _abort_with_reset(side)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        passed = 0
        while chunk := await reader.read(READ_BYTES):
            data = await self._with_conditions(chunk, passed, direction)
            passed += len(data)
            if not self._gates[direction].is_set():
                self.did["held"] += 1
            await self._gates[direction].wait()
            before, fault = self._split(data, direction)
            await self._pass(before, writer, direction)
            if fault is not None:
                self._fire(fault)
                await self._gates[direction].wait()
                await self._pass(data[len(before) :], writer, direction)
        if writer.can_write_eof():
            writer.write_eof()

    async def _with_conditions(self, data: bytes, passed: int, direction: Direction) -> bytes:
        """Apply the conditions to a chunk; return it after the time that it takes."""
        conditions, rng = self.conditions, self._rng
        wait = conditions.delay_seconds + rng.random() * conditions.jitter_seconds
        if conditions.bytes_per_second:
            wait += len(data) / conditions.bytes_per_second
        if rng.random() < conditions.stall_probability:
            self.did["stalled"] += 1
            wait += conditions.stall_seconds
        if wait:
            self.did["delayed"] += 1
            await asyncio.sleep(wait)
        ends_here = (
            direction is Direction.CLIENT and 0 < conditions.reset_after_bytes < passed + len(data)
        )
        if ends_here or rng.random() < conditions.reset_probability:
            self.did["reset"] += 1
            raise _WasReset
        if rng.random() < conditions.flip_probability:
            self.did["flipped"] += 1
            at = rng.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        return data

    def _split(self, data: bytes, direction: Direction) -> tuple[bytes, Fault | None]:
        """Return the bytes before the planned fault, and the fault if it is due in this chunk."""
        if self._planned is None or self._planned[1] is not direction:
            return data, None
        fault, _, at_bytes = self._planned
        left = at_bytes - self.bytes_passed[direction]
        return (data, None) if left > len(data) else (data[:left], fault)

    def _fire(self, fault: Fault) -> None:
        self._planned = None
        self.fired.set()
        match fault:
            case Fault.FREEZE:
                self.freeze()
            case Fault.CUT:
                raise ConnectionAbortedError
            case Fault.RESET:
                raise _WasReset

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, direction: Direction) -> None:
        writer.write(data)
        await writer.drain()
        self.bytes_passed[direction] += len(data)


class _WasReset(ConnectionError):
    """A fault resets the connection."""


@contextlib.asynccontextmanager
async def running_proxy(
    listen: Address, target: Address, *, seed: int = 0
) -> AsyncIterator[TcpProxy]:
    """Run a proxy until the block exits; port 0 of `listen` takes any free port."""
    proxy = TcpProxy(listen, target, seed=seed)
    server = await asyncio.start_server(proxy.accept, listen.host, listen.port)
    proxy.address = Address(listen.host, server.sockets[0].getsockname()[1])
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()


def _abort_with_reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection with RST, not FIN."""
    endpoint: socket.socket = writer.get_extra_info("socket")
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
