"""How `glassplate colo` speaks to a cluster that `glassplate up` runs: JSON over a Unix socket."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

SOCKET_NAME = "control.sock"
ANSWER_SECONDS_MAX = 120.0
LINE_BYTES_MAX = 64 * 1024

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class NotRunning(Exception):
    """No cluster runs from this data directory."""


@contextlib.asynccontextmanager
async def control_server(run_folder: Path, handle: Handler) -> AsyncIterator[None]:
    """Answer one JSON line per connection while the block lasts; only the owner may ask."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            answer = await handle(request)
        except Exception as error:  # noqa: BLE001  # whatever it was, the asker is told
            answer = {"error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(ConnectionError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            writer.close()

    path = run_folder / SOCKET_NAME
    path.unlink(missing_ok=True)
    # From within the folder: a socket's path may have no more than 107 characters.
    with contextlib.chdir(run_folder):
        listener = socket.socket(socket.AF_UNIX)
        previous = os.umask(0o077)
        try:
            listener.bind(SOCKET_NAME)
        finally:
            os.umask(previous)
    server = await asyncio.start_unix_server(serve, sock=listener, limit=LINE_BYTES_MAX)
    async with server:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def ask(run_folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """The cluster's answer to one request.

    Raises:
        NotRunning: Nobody answers.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS_MAX)
        try:
            with contextlib.chdir(run_folder):
                connection.connect(SOCKET_NAME)
        except OSError as error:
            raise NotRunning(f"no cluster is up from {run_folder.parent}: {error}") from error
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as lines:
            answer: dict[str, Any] = json.loads(lines.readline() or b'{"error": "no answer"}')
    return answer
