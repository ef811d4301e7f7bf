"""Handler of the search for photos by their digests."""

from collections.abc import Mapping
from dataclasses import asdict

from aiohttp import web

from storagemaster import known_wire, wire
from storagemaster.errors import BadArgument
from storagemaster.handlers.authorization import BODY, CALLER, Handler
from storagemaster.uploads.known_photos import KnownPhotos


class KnownApi:
    """Handler for clients that skip photos which are stored."""

    def __init__(self, known_photos: KnownPhotos) -> None:
        self._known_photos = known_photos
        self.handlers: Mapping[wire.Route, Handler] = {wire.KNOWN: self.known}

    async def known(self, request: web.Request) -> web.Response:
        """Return the photo of each digest that the caller's application has uploaded."""
        try:
            digests = known_wire.parse_known_request(request[BODY])
        except ValueError as error:
            raise BadArgument(str(error)) from error
        caller = request[CALLER]
        photos = await self._known_photos.find(
            digests, application=caller.key_namespace, own_volumes=caller.volumes
        )
        return web.json_response(
            {"photos": [asdict(photo) for photo in photos]}, headers={"Cache-Control": "no-store"}
        )
