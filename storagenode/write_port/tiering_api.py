"""Handlers of the write port for offloaded volumes."""

from aiohttp import web

from storagenode.protocol import routes, wire
from storagenode.protocol.errors import BadRequest
from storagenode.protocol.layout import Place
from storagenode.protocol.routes import Route
from storagenode.store import Store
from storagenode.write_port.repair_api import Handler
from storagenode.write_port.store_threads import StoreThreads
from volumes.cluster import NodeId
from volumes.cold_tier import parse_cold_tier
from volumes.photo_path import parse_path, parse_volume


class TieringApi:
    """Handlers for storagemasters that offload or recall a volume of this node."""

    def __init__(self, store: Store, node: NodeId, threads: StoreThreads) -> None:
        self._store = store
        self._node = node
        self._threads = threads

    def handlers(self) -> dict[Route, Handler]:
        """Return the handlers by route."""
        return {routes.SET_COLD_TIER: self.set_cold_tier, routes.DROP_COPY: self.drop_copy}

    async def set_cold_tier(self, request: web.Request, body: bytes) -> web.Response:
        """Record the cold tier of a volume. An empty body removes it."""
        volume = parse_volume(request.match_info["volume"])
        try:
            cold_tier = parse_cold_tier(body) if body else None
        except ValueError as error:
            raise BadRequest(str(error)) from error
        await self._threads.run(self._store.set_cold_tier, volume, cold_tier)
        return web.json_response({})

    async def drop_copy(self, request: web.Request, _: bytes) -> web.Response:
        """Move a copy of a file that the cold nodes of its volume store to the trash."""
        hint_for, _mtime = wire.parse_query(request.query_string)
        place = Place(parse_path(request.match_info["path"]), hint_for)
        digest = request.query.get("sha256", "")
        await self._threads.run(self._store.drop_copy, place, digest, node=self._node)
        return web.json_response({})
