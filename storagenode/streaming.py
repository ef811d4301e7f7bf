"""Responses that stream a large file in chunks."""

import asyncio
from concurrent.futures import Executor

from aiohttp import web

from storagenode.open_file import OpenFile
from storagenode.protocol.errors import NodeError


async def stream(
    request: web.BaseRequest,
    response: web.StreamResponse,
    file: OpenFile,
    *,
    start: int,
    end: int,
    threads: Executor,
) -> web.StreamResponse:
    """Send the bytes from `start` to before `end` as the body of a response, none for a HEAD."""
    response.content_length = end - start
    await response.prepare(request)
    chunks = file.chunks(start, start if request.method == "HEAD" else end)
    loop = asyncio.get_running_loop()
    try:
        while chunk := await loop.run_in_executor(threads, next, chunks, b""):
            await response.write(chunk)
    except (NodeError, OSError):
        # Part of the body is sent. Only a broken connection tells the client that it is incomplete.
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response
