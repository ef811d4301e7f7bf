"""A TCP proxy that misbehaves on request: it delays, holds, cuts, corrupts what it forwards."""

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
    """Which way bytes go."""

    TARGET = "target"
    CLIENT = "client"


class Fault(Enum):
    """What happens to a connection when so many bytes have passed."""

    FREEZE = "freeze"
    """All connections stay open, and nothing more passes in either direction."""
    CUT = "cut"
    """The connection is closed, as by a process that ends."""
    RESET = "reset"
    """The connection is reset, as by a process that is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConditions:
    """How a link treats each piece of what passes; the chances are of a piece."""

    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    """Up to so much more."""
    bytes_per_second: int = 0
    """Of one connection; 0 is as fast as it goes."""
    stall_chance: float = 0.0
    stall_seconds: float = 0.0
    reset_chance: float = 0.0
    flip_chance: float = 0.0
    """Of one bit of the piece to be the other way round."""
    reset_after_bytes: int = 0
    """Each connection is reset when so many bytes have come back to its client."""


UNIMPAIRED = LinkConditions()


class TcpProxy:
    """Forwards connections to a target. Everything it did can be counted afterwards."""

    def __init__(self, listen: Address, target: Address, *, seed: int = 0) -> None:
        self.address = listen
        self.connections = 0
        self.bytes_passed = dict.fromkeys(Direction, 0)
        self.conditions = UNIMPAIRED
        self.is_cut = False
        """Whether connections are refused; `cut` ends those that are there."""
        self.did: Counter[str] = Counter()
        """How often it did what: `held`, `cut`, `delayed`, `stalled`, `reset`, `flipped`."""
        self.fired = asyncio.Event()
        """Set when a planned fault has happened: a test that waits for it proves that it did."""
        self._target = target
        self._rng = random.Random(seed)  # noqa: S311  # faults, and the same ones for a seed
        self._gates = {towards: asyncio.Event() for towards in Direction}
        self._planned: tuple[Fault, Direction, int] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.unfreeze()

    def freeze(self, *ways: Direction) -> None:
        """Let nothing pass, both ways or one; connections are still accepted and stay open."""
        for towards in ways or Direction:
            self._gates[towards].clear()

    def unfreeze(self) -> None:
        """Let everything pass again, beginning with what was held back."""
        for gate in self._gates.values():
            gate.set()

    def cut(self) -> None:
        """Reset every connection, and refuse new ones until `mend`."""
        self.is_cut = True
        self.reset_all()

    def reconnect(self) -> None:
        """Take connections again."""
        self.is_cut = False

    def reset_all(self) -> None:
        """End every connection there is, as a network does that has forgotten them."""
        self.did["cut"] += len(self._tasks)
        for task in self._tasks:
            task.cancel()

    def plan(
        self, fault: Fault, *, after_bytes: int, towards: Direction = Direction.TARGET
    ) -> None:
        """Have a fault happen once, when so many more bytes have passed one way."""
        self.fired.clear()
        self._planned = (fault, towards, self.bytes_passed[towards] + after_bytes)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until it ends."""
        if self.is_cut:
            self.did["cut"] += 1
            _abort_with_reset(writer)
            return
        self.connections += 1
        task = asyncio.create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Drop all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(writer.transport.abort)
            try:
                there, back = await asyncio.open_connection(self._target.host, self._target.port)
            except OSError:
                return
            stack.callback(back.transport.abort)
            pumps = [
                asyncio.create_task(self._pump(reader, back, Direction.TARGET)),
                asyncio.create_task(self._pump(there, writer, Direction.CLIENT)),
            ]
            for pump in pumps:
                stack.callback(pump.cancel)
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
            if any(isinstance(pump.exception(), _WasReset) for pump in done):
                for side in (writer, back):
                    _abort_with_reset(side)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, towards: Direction
    ) -> None:
        passed = 0
        while chunk := await reader.read(READ_BYTES):
            data = await self._with_conditions(chunk, passed, towards)
            passed += len(data)
            if not self._gates[towards].is_set():
                self.did["held"] += 1
            await self._gates[towards].wait()
            before, fault = self._split(data, towards)
            await self._pass(before, writer, towards)
            if fault is not None:
                self._fire(fault)
                await self._gates[towards].wait()
                await self._pass(data[len(before) :], writer, towards)
        if writer.can_write_eof():
            writer.write_eof()

    async def _with_conditions(self, data: bytes, passed: int, towards: Direction) -> bytes:
        """What comes of a piece on its way, after the time that it takes."""
        conditions, rng = self.conditions, self._rng
        wait = conditions.delay_seconds + rng.random() * conditions.jitter_seconds
        if conditions.bytes_per_second:
            wait += len(data) / conditions.bytes_per_second
        if rng.random() < conditions.stall_chance:
            self.did["stalled"] += 1
            wait += conditions.stall_seconds
        if wait:
            self.did["delayed"] += 1
            await asyncio.sleep(wait)
        ends_here = towards is Direction.CLIENT and 0 < conditions.reset_after_bytes < passed + len(
            data
        )
        if ends_here or rng.random() < conditions.reset_chance:
            self.did["reset"] += 1
            raise _WasReset
        if rng.random() < conditions.flip_chance:
            self.did["flipped"] += 1
            at = rng.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        return data

    def _split(self, data: bytes, towards: Direction) -> tuple[bytes, Fault | None]:
        """What may pass before the planned fault, and the fault if it is its turn."""
        if self._planned is None or self._planned[1] is not towards:
            return data, None
        fault, _, at_bytes = self._planned
        left = at_bytes - self.bytes_passed[towards]
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

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, towards: Direction) -> None:
        writer.write(data)
        await writer.drain()
        self.bytes_passed[towards] += len(data)


class _WasReset(ConnectionError):
    """The plan was to reset the connection here."""


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
    """Close so that the other side is told of a reset, and not of an end."""
    endpoint: socket.socket = writer.get_extra_info("socket")
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
