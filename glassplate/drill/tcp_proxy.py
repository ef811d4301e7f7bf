"""A TCP proxy that misbehaves on request: it delays, freezes, cuts and resets what it forwards."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from enum import Enum

from volumes.address import Address

READ_BYTES = 64 * 1024


class Towards(Enum):
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


class TcpProxy:
    """Forwards connections to a target. Everything it did can be counted afterwards."""

    def __init__(self, listen: Address, target: Address) -> None:
        self.address = listen
        self.connections = 0
        self.bytes_passed = dict.fromkeys(Towards, 0)
        self.delay_seconds = 0.0
        self.fired = asyncio.Event()
        """Set when a planned fault has happened: a test that waits for it proves that it did."""
        self._target = target
        self._gates = {towards: asyncio.Event() for towards in Towards}
        self._planned: tuple[Fault, Towards, int] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.thaw()

    def freeze(self, *ways: Towards) -> None:
        """Let nothing pass, both ways or one; connections are still accepted and stay open."""
        for towards in ways or Towards:
            self._gates[towards].clear()

    def thaw(self) -> None:
        """Let everything pass again, beginning with what was held back."""
        for gate in self._gates.values():
            gate.set()

    def plan(self, fault: Fault, *, after_bytes: int, towards: Towards = Towards.TARGET) -> None:
        """Have a fault happen once, when so many more bytes have passed one way."""
        self.fired.clear()
        self._planned = (fault, towards, self.bytes_passed[towards] + after_bytes)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until it ends."""
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
                asyncio.create_task(self._pump(reader, back, Towards.TARGET)),
                asyncio.create_task(self._pump(there, writer, Towards.CLIENT)),
            ]
            for pump in pumps:
                stack.callback(pump.cancel)
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
            if any(isinstance(pump.exception(), _WasReset) for pump in done):
                for side in (writer, back):
                    _abort_with_reset(side)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, towards: Towards
    ) -> None:
        while data := await reader.read(READ_BYTES):
            await asyncio.sleep(self.delay_seconds)
            await self._gates[towards].wait()
            before, fault = self._split(data, towards)
            await self._pass(before, writer, towards)
            if fault is not None:
                self._fire(fault)
                await self._gates[towards].wait()
                await self._pass(data[len(before) :], writer, towards)
        if writer.can_write_eof():
            writer.write_eof()

    def _split(self, data: bytes, towards: Towards) -> tuple[bytes, Fault | None]:
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

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, towards: Towards) -> None:
        writer.write(data)
        await writer.drain()
        self.bytes_passed[towards] += len(data)


class _WasReset(ConnectionError):
    """The plan was to reset the connection here."""


@contextlib.asynccontextmanager
async def running_proxy(listen: Address, target: Address) -> AsyncIterator[TcpProxy]:
    """A proxy that forwards for as long as the block lasts."""
    proxy = TcpProxy(listen, target)
    server = await asyncio.start_server(proxy.accept, listen.host, listen.port)
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
