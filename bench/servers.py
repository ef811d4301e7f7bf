"""Baseline servers, run for a benchmark."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

from glassplate.local.processes import ProcessPlan, SupervisedProcess
from volumes.address import Address


@contextlib.asynccontextmanager
async def running(argv: Sequence[str], address: Address, *, log: Path) -> AsyncIterator[None]:
    """Run a server that listens on an address until the block exits.

    Raises:
        ProcessFailed: The server did not start.
    """
    name = Path(argv[0]).name
    plan = ProcessPlan(name=name, colo="", argv=argv, log=log, is_ready=partial(listens, address))
    process = SupervisedProcess(plan)
    await process.start()
    try:
        yield
    finally:
        await process.stop()


def free_address() -> Address:
    """Return a loopback address with a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", probe.getsockname()[1])


async def listens(address: Address) -> bool:
    """Return True if a server accepts connections on the address."""
    try:
        _, writer = await asyncio.open_connection(address.host, address.port)
    except OSError:
        return False
    writer.close()
    return True
