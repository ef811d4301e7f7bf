"""Small faulty servers, alone or in front of a real storagemaster."""

import asyncio
import base64
import contextlib
import hashlib
import io

import aiohttp
from aiohttp import web

UPLOAD_BYTES_MAX = 50_000_000


async def forwards(request, master):
    """Forward the request to the master, and return its response."""
    return await master.forward(request)


async def drops_the_connection_before_the_body(request, master):
    """Close the connection without reading the body."""
    del master
    request.transport.abort()
    return web.Response()


async def drops_the_connection_after_the_body(request, master):
    """Read the body, and close the connection."""
    del master
    await request.read()
    request.transport.abort()
    return web.Response()


async def loses_the_response(request, master):
    """Forward the request, and close the connection without a response."""
    await master.forward(request)
    request.transport.abort()
    return web.Response()


async def responds_too_late(request, master):
    """Forward the request, and respond after the client's timeout."""
    await master.forward(request)
    await asyncio.sleep(60)
    return web.Response()


async def responds_503(request, master):
    """Respond 503 with a Retry-After."""
    del master
    await request.read()
    problem = {"title": "Not possible at the moment", "detail": "the test says so", "status": 503}
    return web.json_response(problem, status=503, headers={"Retry-After": "0"})


def responds(status, slug):
    """Return a behavior that responds with a problem."""

    async def respond(request, master):
        del master
        await request.read()
        problem = {"title": "A problem", "status": status, "type": f"https://problems/{slug}"}
        return web.json_response(problem, status=status)

    return respond


async def responds_502_like_a_proxy(request, master):
    """Respond 502 with a page of HTML."""
    del master
    await request.read()
    return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")


class MisbehavingMaster:
    """A server that handles each request by its next behavior, and forwards the others."""

    def __init__(self, real, behaviors):
        self._real = real
        self._behaviors = list(behaviors)
        self._session = None
        self.url = ""
        self.headers = []
        self.methods = []
        self.arrivals = asyncio.Queue()

    async def answer(self, request):
        """Handle a request by the next behavior."""
        self.headers.append(request.headers)
        self.methods.append(request.method)
        self.arrivals.put_nowait(request.path)
        behave = self._behaviors.pop(0) if self._behaviors else forwards
        return await behave(request, self)

    async def forward(self, request):
        """Return the real master's response."""
        dropped = {"Host", "Content-Length", "Transfer-Encoding"}
        async with self._session.request(
            request.method,
            f"{self._real}{request.raw_path}",
            headers={k: v for k, v in request.headers.items() if k not in dropped},
            data=io.BytesIO(await request.read()),
        ) as response:
            return web.Response(
                status=response.status,
                body=await response.read(),
                content_type=response.content_type,
                headers={k: v for k, v in response.headers.items() if k == "Location"},
            )

    @contextlib.asynccontextmanager
    async def serving(self):
        """Serve until the block exits."""
        async with aiohttp.ClientSession() as self._session, serving(self.answer) as self.url:
            yield self


@contextlib.asynccontextmanager
async def misbehaving_master(real, *behaviors):
    """Run a server in front of a real master. Each behavior applies to one request, in order."""
    async with MisbehavingMaster(real, behaviors).serving() as master:
        yield master


@contextlib.asynccontextmanager
async def serving(handler):
    """Run a server with one handler until the block exits, and yield its URL."""
    application = web.Application(client_max_size=UPLOAD_BYTES_MAX)
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class InterruptingEdge:
    """A server of one photo that closes the first `times` connections after some bytes."""

    def __init__(self, data, *, after_bytes, times=1, etag='"1-1"', has_digest=True):
        self.data = data
        self.etag = etag
        self.ranges = []
        self._after_bytes = after_bytes
        self._times = times
        self._digest = digest_header(data) if has_digest else None

    async def answer(self, request):
        """Send the requested range if the ETag matches, or the whole photo."""
        self.ranges.append(request.headers.get("Range"))
        first = 0
        if self.ranges[-1] and request.headers.get("If-Range") == self.etag:
            first = int(self.ranges[-1].removeprefix("bytes=").removesuffix("-"))
        headers = {"ETag": self.etag, "Content-Length": str(len(self.data) - first)}
        if self._digest:
            headers["Repr-Digest"] = self._digest
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(self.data) - 1}/{len(self.data)}"
        response = web.StreamResponse(status=206 if first else 200, headers=headers)
        await response.prepare(request)
        if self._times:
            self._times -= 1
            await response.write(self.data[first : first + self._after_bytes])
            request.transport.close()
        else:
            await response.write(self.data[first:])
        return response


def corrupting_edge(data):
    """Return a handler whose bytes do not match its digest."""

    async def answer(_):
        return web.Response(body=b"x" + data[1:], headers={"Repr-Digest": digest_header(data)})

    return answer


def digest_header(data):
    """Return the Repr-Digest of some bytes."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"
