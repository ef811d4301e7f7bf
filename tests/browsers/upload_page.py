"""A page with the upload clients of others, at an origin that is not the storagemaster's."""

import contextlib
import functools
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

HERE = Path(__file__).parent
NODE = "node"
PHOTO_PATH = "/cat.jpg"


@contextlib.asynccontextmanager
async def upload_page(photo: bytes) -> AsyncIterator[str]:
    """Serve the page and a photo on a free port; yield the origin."""
    html = "<!doctype html><title>Uploads</title><script src=/clients.js></script>"

    def response(body: str | bytes, content_type: str) -> web.Response:
        data = body.encode() if isinstance(body, str) else body
        return web.Response(body=data, content_type=content_type)

    responses = {
        "/": (html, "text/html"),
        "/clients.js": (bundled_clients(), "text/javascript"),
        PHOTO_PATH: (photo, "image/jpeg"),
    }

    async def serve(request: web.Request) -> web.Response:
        return response(*responses.get(request.path, ("", "text/plain")))

    application = web.Application()
    application.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@functools.cache
def bundled_clients() -> str:
    """Return the clients as one script."""
    command = [HERE / "node_modules/.bin/esbuild", HERE / "clients.js", "--bundle"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except FileNotFoundError:
        pytest.fail("npm packages are missing; proxy_config/install-servers.sh test installs them")


def node_program() -> str:
    """Return the path of Node.js."""
    found = shutil.which(NODE)
    if found is None:
        pytest.fail(f"{NODE} is missing; proxy_config/install-servers.sh test installs it")
    return found
