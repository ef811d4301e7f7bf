"""Operator routes: undelete, erase, find, explain, scrubs, and fences."""

import re
from collections.abc import Mapping

from aiohttp import web

from storagemaster import wire
from storagemaster.admission.authorization import CALLER, URLS, Handler
from storagemaster.admission.path_fields import photo_in, version_in, volume_in
from storagemaster.errors import BadArgument, NotAllowed
from storagemaster.handlers.map_api import MapApi
from storagemaster.lifecycle.erasures import Erasures
from storagemaster.lifecycle.undeletes import Undeletes
from storagemaster.operations.scrubs import Scrubs
from storagemaster.operations.unfencing import Unfencing
from storagemaster.photos.explanations import Explanations
from storagemaster.photos.photo_search import PhotoSearch
from volumes.photo_id import parse_version
from volumes.photo_path import EXTENSIONS
from volumes.sizes import ORIGINAL_LETTER


class OperatorApi:
    """Handlers of the operator routes."""

    def __init__(
        self,
        undeletes: Undeletes,
        search: PhotoSearch,
        explanations: Explanations,
        scrubs: Scrubs,
        unfencing: Unfencing,
        erasures: Erasures,
        maps: MapApi,
    ) -> None:
        self._erasures = erasures
        self._undeletes = undeletes
        self._search = search
        self._explanations = explanations
        self._scrubs = scrubs
        self._unfencing = unfencing
        self.handlers: Mapping[wire.Route, Handler] = {
            wire.UNDELETE: self.undelete,
            wire.ERASE_PHOTO: self.erase,
            wire.ERASE_VERSION: self.erase,
            wire.FIND: self.find,
            wire.EXPLAIN: self.explain,
            wire.SCRUBS: self.scrubs,
            wire.START_SCRUBS: self.start_scrubs,
            wire.UNFENCE: self.unfence,
            **maps.handlers,
        }

    async def undelete(self, request: web.Request) -> web.Response:
        """Store a deleted photo as a new one."""
        receipt, is_new = await self._undeletes.undelete(
            volume_in(request),
            photo_in(request),
            urls=request[URLS],
            own_volumes=request[CALLER].volumes,
        )
        return web.json_response(
            wire.render_receipt(receipt),
            status=201 if is_new else 200,
            headers={"Location": receipt.status},
        )

    async def erase(self, request: web.Request) -> web.Response:
        """Delete a photo, or one version of it, and remove it from every trash."""
        proof = await self._erasures.erase(
            volume_in(request), photo_in(request), version_in(request)
        )
        return web.json_response(proof)

    async def find(self, request: web.Request) -> web.Response:
        """Return every path of a photo on every node."""
        if request[CALLER].volumes is not None:
            raise NotAllowed("this searches all volumes, and needs a token for all of them")
        return web.json_response(await self._search.find(photo_in(request)))

    async def explain(self, request: web.Request) -> web.Response:
        """Return every copy and job of a photo, and what viewers of a version of it get now."""
        query = request.query
        size, ext = query.get("size", ORIGINAL_LETTER), query.get("ext")
        if ext is not None and ext not in EXTENSIONS:
            raise BadArgument(f"unknown ext {ext!r}; known: {', '.join(EXTENSIONS)}")
        if not re.fullmatch("[a-z]", size):
            raise BadArgument(f"invalid size {size!r}: must be one lower-case letter")
        document = await self._explanations.document(
            volume_in(request),
            photo_in(request),
            parse_version(query["version"]) if "version" in query else None,
            size=size,
            ext=ext or "",
        )
        return web.json_response(document)

    async def scrubs(self, request: web.Request) -> web.Response:
        """Return the progress of the scrubs."""
        return web.json_response(await self._scrubs.document(request.query.get("node", "")))

    async def start_scrubs(self, request: web.Request) -> web.Response:
        """Request another pass of the scrubs; return their progress before it."""
        only = request.query.get("node", "")
        return web.json_response(await self._scrubs.document(only, request_pass=True))

    async def unfence(self, request: web.Request) -> web.Response:
        """Make a node serve photos although it may have missed deletes."""
        if request[CALLER].volumes is not None:
            raise NotAllowed("this affects all volumes, and needs a token for all of them")
        return web.json_response(await self._unfencing.unfence(request.match_info["node"]))
