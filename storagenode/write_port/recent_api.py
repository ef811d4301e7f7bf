"""Handlers of the write port for the photos that the node stored last, and for new versions."""

from aiohttp import web

from storagenode.protocol import routes, wire
from storagenode.protocol.errors import BadRequest
from storagenode.protocol.recent import PAGE_PHOTOS_MAX, parse_recent
from storagenode.protocol.routes import Route
from storagenode.store import Store
from storagenode.upkeep.recent_photos import RecentPhotos
from storagenode.write_port.repair_api import Handler
from storagenode.write_port.store_threads import StoreThreads
from volumes.json_text import parse_whole_number
from volumes.photo_id import parse_photo_id, parse_version
from volumes.photo_path import PhotoVersion, parse_volume


class RecentApi:
    """Handlers for storagemasters that show new photos, or give a photo a new version."""

    def __init__(self, store: Store, recent: RecentPhotos, threads: StoreThreads) -> None:
        self._store = store
        self._recent = recent
        self._threads = threads

    def handlers(self) -> dict[Route, Handler]:
        """Return the handlers by route."""
        return {routes.RECENT: self.page, routes.RELINK: self.relink}

    async def page(self, request: web.Request, _: bytes) -> web.Response:
        """Return the photos before another one, the latest first."""
        before = request.query.get("before")
        try:
            limit = parse_whole_number(request.query.get("limit", ""))
        except ValueError as error:
            raise BadRequest(f"invalid limit: {error}") from error
        if not 0 < limit <= PAGE_PHOTOS_MAX:
            raise BadRequest(f"invalid limit {limit}: must be 1 to {PAGE_PHOTOS_MAX}")
        photos = await self._threads.run(
            self._recent.page, before=parse_recent(before) if before else None, limit=limit
        )
        return web.json_response([str(photo) for photo in photos])

    async def relink(self, request: web.Request, _: bytes) -> web.Response:
        """Link every file of a version, or only its original, under another version."""
        match = request.match_info
        photo_version = PhotoVersion(
            parse_volume(match["volume"]),
            parse_photo_id(match["photo"]),
            parse_version(match["version"]),
        )
        new = parse_version(match["new_version"])
        only = request.query.get("only")
        if only not in {None, wire.ORIGINAL_ONLY}:
            raise BadRequest(f"invalid value {only!r} of 'only': must be {wire.ORIGINAL_ONLY!r}")
        paths = await self._threads.run(
            self._store.relink, photo_version, new, original_only=only is not None
        )
        if only is None:
            await self._threads.run(self._recent.record_relinked, paths)
        return web.json_response({"paths": paths})
