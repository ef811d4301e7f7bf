"""A real memcached, and a fake one with a value for every key."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from tests.free_ports import free_port
from tests.storagemaster.small_cluster import HOST
from volumes.address import Address

OPTIONS = ("-U", "0", "-m", "16")


@contextlib.contextmanager
def running_memcached(
    port: int, command: Sequence[str] | None = None
) -> "Iterator[subprocess.Popen[bytes]]":
    """Run the memcached of the system on a port of the loopback interface."""
    if command is None:
        command = ["memcached", "-l", HOST, "-p", str(port), *OPTIONS, "-u", "nobody"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until_it_listens(port)
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


def wait_until_it_listens(port: int) -> None:
    """Return when a connection is accepted."""
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 0.1):
            return
        time.sleep(0.01)
    raise AssertionError("memcached does not listen")


class CorruptMemcached:
    """A memcached with a value for every key, which counts the requests."""

    def __init__(self, value_of: Callable[[bytes], bytes]) -> None:
        self.address = Address(HOST, free_port())
        self.requests = 0
        self._value_of = value_of

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["CorruptMemcached"]:
        """Run the server until the block exits."""
        server = await asyncio.start_server(self._serve, HOST, self.address.port)
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                command, *arguments = line.split()
                if command in {b"get", b"gets"}:
                    self.requests += 1
                    for key in arguments:
                        value = self._value_of(key)
                        writer.write(b"VALUE %s 0 %d 7\r\n%s\r\n" % (key, len(value), value))
                    writer.write(b"END\r\n")
                else:
                    await reader.readexactly(int(arguments[3]) + 2)
                    writer.write(b"STORED\r\n")
        writer.close()
