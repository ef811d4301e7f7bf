"""Control of a running local cluster by `glassplate colo`: JSON over a Unix socket."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

SOCKET_NAME = "control.sock"
RESPONSE_SECONDS_MAX = 120.0
LINE_BYTES_MAX = 64 * 1024

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class NotRunning(Exception):
    """A data directory without a running cluster."""


@contextlib.asynccontextmanager
async def control_server(run_folder: Path, handle: Handler) -> AsyncIterator[None]:
    """Handle one JSON line per connection until the block exits. Only the owner can connect."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            response = await handle(request)
        except Exception as error:  # noqa: BLE001  # the client gets every error
            response = {"error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(ConnectionError):
            writer.write(json.dumps(response).encode() + b"\n")
            await writer.drain()
            writer.close()

    path = run_folder / SOCKET_NAME
    path.unlink(missing_ok=True)
    # A socket path has at most 107 characters, so the program binds it from within the folder.
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


def send_control_request(run_folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Send one request to the running cluster, and return its response.

    Raises:
        NotRunning: No process listens on the socket.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(RESPONSE_SECONDS_MAX)
        try:
            with contextlib.chdir(run_folder):
                connection.connect(SOCKET_NAME)
        except OSError as error:
            raise NotRunning(f"no cluster runs from {run_folder.parent}: {error}") from error
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as lines:
            response: dict[str, Any] = json.loads(lines.readline() or b'{"error": "no response"}')
    return response
