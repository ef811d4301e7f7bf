"""A real node in its own process (`python -m storagenode`), and requests to it."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import aiohttp

from storagenode.client import NodeClient
from tests.storagenode.served_site import Site

T = TypeVar("T")
START_SECONDS = 60


@contextlib.contextmanager
def node_process(
    site: Site,
    id_: str,
    *,
    environment: Mapping[str, str] | None = None,
    tracer: Sequence[str] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a node until the block exits, then kill it if it still runs."""
    command = [*tracer, sys.executable, "-m", "storagenode"]
    process = subprocess.Popen(
        [*command, "--config", str(site.config), "--node", id_],
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    try:
        _wait_until_listening(process, site.node(id_).write.port)
        yield process
    finally:
        if tracer:
            end_traced(process)
        else:
            process.kill()
        process.wait()


def end_traced(tracer: subprocess.Popen[bytes]) -> None:
    """Stop a process under strace and wait for strace to complete its log.

    A killed process can end before strace records its last call, although others saw the effect.
    """
    with contextlib.suppress(FileNotFoundError):  # it has ended
        children = Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text()
        for child in children.split():
            os.kill(int(child), signal.SIGTERM)
    tracer.wait(timeout=START_SECONDS)


def call(site: Site, id_: str, question: Callable[[NodeClient], Awaitable[T]]) -> T:
    """Return the result of a client's call to a node."""

    async def run() -> T:
        async with aiohttp.ClientSession() as session:
            client = NodeClient(id_, site.node(id_).write, session, site.keys)
            try:
                return await question(client)
            finally:
                client.close()
                await asyncio.sleep(
                    0
                )  # An aborted transport closes in the next turn of the event loop.

    return asyncio.run(run())


async def body_of(*chunks: bytes) -> AsyncIterator[bytes]:
    """Yield a body in chunks."""
    for chunk in chunks:
        yield chunk


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the node did not start"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the node did not start in time")
