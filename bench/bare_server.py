"""Minimal aiohttp server: one route, bytes from memory, without permissions and without a disk.

`python -m bench.bare_server --port N --folder F` reads the files below a directory at its start,
and serves them from memory.
"""

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path

import uvloop
from aiohttp import web


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="bench.bare_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments.port, _read_all(arguments.folder)))


def _read_all(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {f"/{path.relative_to(folder)}": path.read_bytes() for path in files}


async def _serve(port: int, bodies: Mapping[str, bytes]) -> None:
    async def respond(request: web.Request) -> web.Response:
        return web.Response(body=bodies[request.path])

    application = web.Application()
    application.router.add_get("/{path:.*}", respond)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
