"""Handler of the write port for erasures: a deleted photo leaves the trash at once."""

from aiohttp import web

from storagenode.protocol import routes
from storagenode.protocol.errors import BadRequest
from storagenode.protocol.routes import Route
from storagenode.store import Store
from storagenode.write_port.repair_api import Handler
from storagenode.write_port.store_threads import StoreThreads
from volumes.photo_path import PhotoTombstone, VersionTombstone, parse_path


class EraseApi:
    """Handlers for storagemasters that erase a deleted photo."""

    def __init__(self, store: Store, threads: StoreThreads) -> None:
        self._store = store
        self._threads = threads

    def handlers(self) -> dict[Route, Handler]:
        """Return the handlers by route."""
        return {routes.ERASE: self.erase}

    async def erase(self, request: web.Request, _: bytes) -> web.Response:
        """Remove the files of a deleted photo from every area; return their paths."""
        tombstone = parse_path(request.match_info["path"])
        if not isinstance(tombstone, PhotoTombstone | VersionTombstone):
            raise BadRequest("only what a tombstone deletes can be erased")
        proof = request.query.get("proof", "")
        erased = await self._threads.run(self._store.erase, tombstone, proof=proof)
        return web.json_response(erased)
