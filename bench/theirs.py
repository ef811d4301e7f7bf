"""Runs the servers that ours are measured against."""

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
    """A server that listens at an address for as long as the block lasts.

    Raises:
        ProcessFailed: It did not come up.
    """
    name = Path(argv[0]).name
    plan = ProcessPlan(name=name, colo="", argv=argv, log=log, is_ready=partial(_listens, address))
    process = SupervisedProcess(plan)
    await process.start()
    try:
        yield
    finally:
        await process.stop()


def free_address() -> Address:
    """A loopback port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", probe.getsockname()[1])


async def _listens(address: Address) -> bool:
    try:
        _, writer = await asyncio.open_connection(address.host, address.port)
    except OSError:
        return False
    writer.close()
    return True
