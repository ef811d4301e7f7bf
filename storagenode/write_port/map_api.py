"""Handlers of the write port for volume maps."""

from aiohttp import web

from storagenode.protocol import routes, wire
from storagenode.protocol.errors import BadRequest
from storagenode.protocol.maps import MapKind, parse_kind
from storagenode.protocol.routes import Route
from storagenode.store import Store
from storagenode.upkeep.node_maps import NodeMaps
from storagenode.write_port.repair_api import Handler
from storagenode.write_port.store_threads import StoreThreads
from volumes.json_text import parse_whole_number
from volumes.photo_path import parse_volume


class MapApi:
    """Handlers for storagemasters that put a map in force."""

    def __init__(self, maps: NodeMaps, store: Store, threads: StoreThreads) -> None:
        self._maps = maps
        self._store = store
        self._threads = threads

    def handlers(self) -> dict[Route, Handler]:
        """Return the handlers by route."""
        return {
            routes.KEEP_MAP: self.keep,
            routes.READ_MAP: self.read,
            routes.DROP_VOLUME: self.drop,
        }

    async def keep(self, request: web.Request, body: bytes) -> web.Response:
        """Vote for a map, or follow a map in force."""
        await self._threads.run(self._maps.keep, *_named(request), body)
        return web.json_response({})

    async def drop(self, request: web.Request, _: bytes) -> web.Response:
        """Move a volume that the map gives to other nodes to the trash."""
        volume = parse_volume(request.match_info["volume"])
        self._maps.refuse_other_map(wire.parse_map_version(request.query))
        await self._threads.run(self._store.drop_volume, volume, request.query.get("sha256", ""))
        return web.json_response({})

    async def read(self, request: web.Request, _: bytes) -> web.Response:
        """Send a signed map."""
        return web.Response(body=await self._threads.run(self._maps.read, *_named(request)))


def _named(request: web.Request) -> tuple[MapKind, int]:
    try:
        version = parse_whole_number(request.match_info["version"])
    except ValueError as error:
        raise BadRequest(f"invalid version: {error}") from error
    return parse_kind(request.match_info["kind"]), version
