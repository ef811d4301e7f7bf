"""Handlers of the write port for partial uploads."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial as bind
from typing import TypeVar

from aiohttp import web

from storagenode.partials.partials import Partials
from storagenode.protocol import routes, wire
from storagenode.protocol.errors import BadRequest
from storagenode.protocol.layout import Place
from storagenode.protocol.partials import Partial, parse_partial, parse_partials
from storagenode.protocol.routes import PARTIAL_READ_BYTES_MAX, Route
from storagenode.write_port.receiving import CheckTrailer, Receiver
from storagenode.write_port.repair_api import Handler
from storagenode.write_port.store_threads import StoreThreads
from volumes.json_text import parse_whole_number
from volumes.photo_path import InvalidPath, parse_path

T = TypeVar("T")

CheckSignature = Callable[[web.Request], CheckTrailer]
"""Return the check of the closing signature of a request."""


class PartialApi:
    """Handlers for storagemasters that take uploads in parts. A bucket takes none."""

    def __init__(
        self,
        partials: Partials | None,
        receiver: Receiver,
        threads: StoreThreads,
        check_trailer_of: CheckSignature,
    ) -> None:
        self._given_partials = partials
        self._receiver = receiver
        self._threads = threads
        self._check_trailer_of = check_trailer_of

    def handlers(self) -> dict[Route, Handler]:
        """Return the handlers by route."""
        return {
            routes.CREATE_PARTIAL: self.create,
            routes.APPEND_PARTIAL: self.append,
            routes.PARTIAL_LENGTH: self.length,
            routes.READ_PARTIAL: self.read,
            routes.DIGEST_PARTIAL: self.digest,
            routes.PUBLISH_PARTIAL: self.publish,
            routes.REMOVE_PARTIALS: self.remove_all,
        }

    async def create(self, request: web.Request, _: bytes) -> web.Response:
        """Make room for a partial."""
        await self._threads.run(self._partials.create, _partial(request))
        return web.json_response({})

    async def append(self, request: web.Request, _: bytes) -> web.Response:
        """Append the streamed body."""
        partial, offset = _partial(request), _number(request, "offset")
        mtime_seconds = _number(request, "mtime")
        size = max(0, (request.content_length or 0) - wire.TRAILER_BYTES)
        length = await self._receiver.receive_into(
            request.content.iter_any(),
            bind(self._partials.staging, partial, offset=offset, bytes_expected=size),
            lambda file, digest: self._partials.append(
                file, partial, offset=offset, mtime_seconds=mtime_seconds, digest=digest
            ),
            check_trailer=self._check_trailer_of(request),
        )
        return web.json_response({"bytes": length})

    async def length(self, request: web.Request, _: bytes) -> web.Response:
        """Return the number of durable bytes."""
        length = await self._threads.run(self._partials.length, _partial(request))
        return web.json_response({"bytes": length})

    async def read(self, request: web.Request, _: bytes) -> web.Response:
        """Send bytes from an offset on."""
        data = await self._threads.run(
            self._partials.read,
            _partial(request),
            offset=_number(request, "offset"),
            bytes_max=PARTIAL_READ_BYTES_MAX,
        )
        return web.Response(body=data)

    async def digest(self, request: web.Request, _: bytes) -> web.Response:
        """Return the digest of a complete partial."""
        digest = await self._threads.run(self._partials.digest, _partial(request))
        return web.json_response({"sha256": digest})

    async def publish(self, request: web.Request, _: bytes) -> web.Response:
        """Publish a complete partial at a place."""
        hint_for, mtime_seconds = wire.parse_query(request.query_string)
        try:
            place = Place(parse_path(request.match_info["path"]), hint_for)
        except InvalidPath as error:
            raise BadRequest(str(error)) from error
        published = await self._threads.run(
            self._partials.publish,
            _partial(request),
            place,
            mtime_seconds=mtime_seconds,
            digest=request.query.get("sha256", ""),
        )
        await self._threads.run(self._receiver.record, [published])
        return web.json_response(asdict(published))

    async def remove_all(self, _: web.Request, body: bytes) -> web.Response:
        """Remove partials with their bytes."""
        await self._threads.run(self._partials.remove_all, parse_partials(body))
        return web.json_response({})

    @property
    def _partials(self) -> Partials:
        if self._given_partials is None:
            raise BadRequest("a bucket takes no partial uploads")
        return self._given_partials


def _partial(request: web.Request) -> Partial:
    return parse_partial(request.match_info["partial"])


def _number(request: web.Request, name: str) -> int:
    try:
        return parse_whole_number(request.query.get(name, ""))
    except ValueError as error:
        raise BadRequest(f"invalid {name}: {error}") from error
