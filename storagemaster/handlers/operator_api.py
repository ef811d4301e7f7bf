"""The routes for operators: undelete, where a photo is and why, scrubs. Others say who may ask."""

from aiohttp import web

from storagemaster import wire
from storagemaster.lifecycle.undeletes import Undeletes
from storagemaster.operations.scrubs import Scrubs
from storagemaster.photos.explanations import Explanations
from storagemaster.photos.photo_search import PhotoSearch
from volumes.photo_id import parse_photo_id
from volumes.photo_path import parse_volume


class OperatorApi:
    """Reads requests and writes responses; what is done is done by others."""

    def __init__(
        self,
        undeletes: Undeletes,
        search: PhotoSearch,
        explanations: Explanations,
        scrubs: Scrubs,
    ) -> None:
        self._undeletes = undeletes
        self._search = search
        self._explanations = explanations
        self._scrubs = scrubs

    async def undelete(self, request: web.Request) -> web.Response:
        """Bring a deleted photo back as a new one."""
        match = request.match_info
        receipt, is_new = await self._undeletes.undelete(
            parse_volume(match["volume"]), parse_photo_id(match["photo"])
        )
        return web.json_response(
            wire.render_receipt(receipt),
            status=201 if is_new else 200,
            headers={"Location": receipt.status},
        )

    async def find(self, request: web.Request) -> web.Response:
        """Every path of a photo on every node."""
        photo = parse_photo_id(request.match_info["photo"])
        return web.json_response(await self._search.find(photo))

    async def explain(self, request: web.Request) -> web.Response:
        """All there is to know of a photo."""
        match = request.match_info
        volume, photo = parse_volume(match["volume"]), parse_photo_id(match["photo"])
        return web.json_response(await self._explanations.document(volume, photo))

    async def scrubs(self, request: web.Request) -> web.Response:
        """How far the scrubs are."""
        return web.json_response(await self._scrubs.document(request.query.get("node", "")))

    async def request_scrubs(self, request: web.Request) -> web.Response:
        """Have another pass of the scrubs begin; how far they were before."""
        only = request.query.get("node", "")
        return web.json_response(await self._scrubs.document(only, request_pass=True))
