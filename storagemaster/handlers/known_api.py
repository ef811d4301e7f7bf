"""Handlers of the search for photos by their digests, and by tickets."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from storagemaster import known_wire, wire
from storagemaster.admission.authorization import BODY, CALLER, Authorization, Handler
from storagemaster.errors import BadArgument
from storagemaster.handlers.upload_request import ticket_key
from storagemaster.uploads.known_photos import KnownPhotos


class KnownApi:
    """Handlers for clients that skip photos which are stored, or that lost an event."""

    def __init__(self, known_photos: KnownPhotos, authorization: Authorization) -> None:
        self._known_photos = known_photos
        self._authorization = authorization
        self.handlers: Mapping[wire.Route, Handler] = {
            wire.KNOWN: self.known,
            wire.TICKET_USES: self.ticket_uses,
        }

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
        return _response({"photos": [asdict(photo) for photo in photos]})

    async def ticket_uses(self, request: web.Request) -> web.Response:
        """Return the photos that were uploaded with a ticket of the caller's application."""
        try:
            text = known_wire.parse_ticket_request(request[BODY])
        except ValueError as error:
            raise BadArgument(str(error)) from error
        sender = self._authorization.sender_of_ticket(request[CALLER], text)
        assert sender.ticket is not None, "it is the sender with the ticket"
        keys = [ticket_key(sender.ticket, index) for index in range(sender.ticket.count)]
        states = await self._known_photos.states_of(
            keys, application=sender.key_namespace, own_volumes=sender.volumes
        )
        uses = [
            known_wire.TicketUse(index=index, state=state.state, reference=state.reference)
            for index, state in enumerate(states)
        ]
        return _response({"uses": [asdict(use) for use in uses]})


def _response(document: Mapping[str, Any]) -> web.Response:
    return web.json_response(document, headers={"Cache-Control": "no-store"})
