"""Fake edges: real HTTP servers that record what they purge."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from storagenode.protocol.agreement import MAP_HEADER
from tests.free_ports import free_port
from tests.storagemaster.small_cluster import HOST
from volumes.address import Address
from volumes.cluster import Colo, Edge


class PurgedEdge:
    """An edge of either kind: the paths it has purged, and its current behavior."""

    def __init__(self, id_: str, kind: str) -> None:
        address = Address(HOST, free_port())
        self.config = Edge(id=id_, colo=Colo("east"), kind=kind, listen=address, purge=address)
        self.purged: set[str] = set()
        self.marks: dict[str, str] = {}
        self.drops = 0
        self.refuses_marks = False
        self.requests = 0
        self.status = 200
        self.is_frozen = False
        self.map_digest = ""
        self.on_purge: Callable[[], None] = lambda: None
        self._unfrozen = asyncio.Event()

    async def respond(self, request: web.Request) -> web.Response:
        """Purge the paths of a request, unless the edge misbehaves."""
        if self.is_frozen:
            await self._unfrozen.wait()
        if request.path == "/healthz":
            return web.Response(status=self.status, headers={MAP_HEADER: self.map_digest})
        if request.path == "/metrics":
            return web.Response(status=404)
        if request.path == "/drop" and self.status == 200:
            self.drops += 1
        elif request.path.startswith("/sessions/") and self.status == 200:
            return self._mark(request)
        elif self.status == 200:
            self.requests += 1
            self.on_purge()
            self.purged.update(await self._paths(request))
        return web.Response(status=self.status)

    def _mark(self, request: web.Request) -> web.Response:
        _, _, master, *mark = request.path.split("/")
        if mark and self.refuses_marks:
            return web.Response(status=500)
        if mark:
            assert request.method == "PUT"
            (self.marks[master],) = mark
        mark_now = self.marks.get(master)
        return web.Response(status=200 if mark_now else 404, text=mark_now)

    async def _paths(self, request: web.Request) -> list[str]:
        if self.config.kind == "varnish":
            assert request.method == "PURGE"
            return [request.path.removeprefix("/")]
        assert (request.method, request.path) == ("POST", "/purge")
        return (await request.text()).splitlines()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["PurgedEdge"]:
        """Run the edge until the block exits."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.respond)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, self.config.purge.host, self.config.purge.port).start()
        try:
            yield self
        finally:
            self._unfrozen.set()
            await runner.cleanup()
