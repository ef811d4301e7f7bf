"""Small real servers that misbehave in named ways, in front of a real storagemaster or alone."""

import asyncio
import base64
import contextlib
import hashlib
import io

import aiohttp
from aiohttp import web

UPLOAD_BYTES_MAX = 50_000_000


async def passes(request, master):
    """Hand the request to the master, and its answer back."""
    return await master.forward(request)


async def drops_the_connection_before_the_body(request, master):
    """Read nothing of the body."""
    del master
    request.transport.abort()
    return web.Response()


async def drops_the_connection_after_the_body(request, master):
    """Read all of the body, and do nothing with it."""
    del master
    await request.read()
    request.transport.abort()
    return web.Response()


async def loses_the_answer(request, master):
    """Have the master do what is asked, and tell nobody."""
    await master.forward(request)
    request.transport.abort()
    return web.Response()


async def answers_too_late(request, master):
    """Have the master do what is asked, and wait until nobody is there to be told."""
    await master.forward(request)
    await asyncio.sleep(60)
    return web.Response()


async def answers_503(request, master):
    """Ask to be left alone for a moment."""
    del master
    await request.read()
    problem = {"title": "Not possible at the moment", "detail": "the test says so", "status": 503}
    return web.json_response(problem, status=503, headers={"Retry-After": "0"})


async def answers_502_as_a_proxy_does(request, master):
    """Answer with a page of HTML."""
    del master
    await request.read()
    return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")


class MisbehavingMaster:
    """Answers each request as the next of its behaviours does, and properly when there is none."""

    def __init__(self, real, behaviors):
        self._real = real
        self._behaviors = list(behaviors)
        self._session = None
        self.url = ""
        self.headers = []
        self.arrivals = asyncio.Queue()

    async def answer(self, request):
        """Misbehave."""
        self.headers.append(request.headers)
        self.arrivals.put_nowait(request.path)
        behave = self._behaviors.pop(0) if self._behaviors else passes
        return await behave(request, self)

    async def forward(self, request):
        """The real master's answer."""
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
            )

    @contextlib.asynccontextmanager
    async def serving(self):
        """A block in which it serves."""
        async with aiohttp.ClientSession() as self._session, serving(self.answer) as self.url:
            yield self


@contextlib.asynccontextmanager
async def misbehaving_master(real, *behaviors):
    """A server in front of a real master, which misbehaves so many times."""
    async with MisbehavingMaster(real, behaviors).serving() as master:
        yield master


@contextlib.asynccontextmanager
async def serving(handler):
    """The URL of a server with one handler for everything, for as long as the block lasts."""
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


class EdgeThatBreaksOff:
    """Sends one photo and breaks off after so many bytes, each time until it is tired of it."""

    def __init__(self, data, *, after_bytes, times=1, etag='"1-1"', tells_digest=True):
        self.data = data
        self.etag = etag
        self.ranges = []
        self._after_bytes = after_bytes
        self._times = times
        self._digest = digest_header(data) if tells_digest else None

    async def answer(self, request):
        """Send from where the client asks for, if it asks for this very photo."""
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


def edge_with_wrong_bytes(data):
    """A handler that sends other bytes than it says."""

    async def answer(_):
        return web.Response(body=b"x" + data[1:], headers={"Repr-Digest": digest_header(data)})

    return answer


def digest_header(data):
    """The Repr-Digest of some bytes."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"
