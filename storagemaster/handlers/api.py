"""The storagemaster's routes: uploads, photos, deletes and the cluster's state."""

import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from permission_urls import (
    InternalVerifier,
    InvalidToken,
    KeyRing,
    Scope,
    TokenVerifier,
    WrongScope,
)
from runtime.crashpoint import crashpoint
from storagemaster import wire
from storagemaster.errors import BadArgument, LengthMismatch, NotAllowed, NotAuthorized
from storagemaster.events.events import Events
from storagemaster.events.stream import stream_events
from storagemaster.handlers.operator_api import OperatorApi
from storagemaster.handlers.problems import SERVER_NAME, problem_middleware
from storagemaster.handlers.regenerate_api import RegenerateApi
from storagemaster.handlers.tiering_api import TieringApi
from storagemaster.jobs.bundles import Bundles
from storagemaster.lifecycle.deletes import Deletes
from storagemaster.lifecycle.revokes import Revokes
from storagemaster.operations.cluster_status import ClusterStatus
from storagemaster.operations.metrics import CONTENT_TYPE, MasterMetrics
from storagemaster.photos.batch_lookup import BatchLookup
from storagemaster.photos.photos import Photos
from storagemaster.repair.repairs import Repairs
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody, parse_digest_header
from storagemaster.uploads.uploads import UploadRequest, Uploads
from storagemaster.uploads.waiting import WAIT_SECONDS_MAX, wait_for_sizes
from storagenode.protocol.wire import BUNDLE_BYTES_MAX, refuse_unless_signed
from volumes.photo_id import parse_photo_id, parse_version
from volumes.photo_path import PhotoVersion, parse_volume

Handler = Callable[[web.Request], Awaitable[web.Response]]
UPLOAD_QUERY = {"volume", "wait"}


class Api:
    """Reads requests and writes responses; what is done is done by others."""

    def __init__(
        self,
        *,
        keys: KeyRing,
        upload_bytes_max: int,
        uploads: Uploads,
        photos: Photos,
        pages: BatchLookup,
        deletes: Deletes,
        revokes: Revokes,
        bundles: Bundles,
        repairs: Repairs,
        status: ClusterStatus,
        events: Events,
        metrics: MasterMetrics,
        regeneration: RegenerateApi,
        operators: OperatorApi,
        tiering: TieringApi,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._tokens = TokenVerifier(keys)
        self._internal = InternalVerifier(keys)
        self._upload_bytes_max = upload_bytes_max
        self._uploads = uploads
        self._photos = photos
        self._pages = pages
        self._deletes = deletes
        self._revokes = revokes
        self._bundles = bundles
        self._repairs = repairs
        self._status = status
        self._events = events
        self._metrics = metrics
        self._regeneration = regeneration
        self._operators = operators
        self._cold_tiers = tiering
        self._now_seconds = now_seconds

    def application(self) -> web.Application:
        """The routes as an aiohttp application."""
        application = web.Application(
            middlewares=[problem_middleware], client_max_size=BUNDLE_BYTES_MAX
        )
        application.add_routes(
            [
                web.post(wire.PHOTOS_ROUTE, self.upload),
                web.post(wire.BATCH_ROUTE, self.lookup),
                web.get(wire.VERSION_ROUTE, self.photo),
                web.delete(wire.PHOTO_ROUTE, self.delete),
                web.delete(wire.VERSION_ROUTE, self.delete),
                web.post(wire.REVOKE_ROUTE, self.revoke),
                web.post(
                    wire.UNDELETE_ROUTE, self._with_scope(Scope.DELETE, self._operators.undelete)
                ),
                web.get(wire.FIND_ROUTE, self._as_admin(self._operators.find)),
                web.get(wire.EXPLANATION_ROUTE, self._as_admin(self._operators.explain)),
                web.get(wire.SCRUBS_ROUTE, self._with_scope(Scope.READ, self._operators.scrubs)),
                web.post(wire.SCRUBS_ROUTE, self._as_admin(self._operators.request_scrubs)),
                web.get(wire.REPAIR_ROUTE, self.plan_repair),
                web.post(wire.REPAIR_ROUTE, self.repair),
                web.get(wire.REGENERATE_SHARDS_ROUTE, self._as_admin(self._regeneration.shards)),
                web.get(wire.REGENERATE_SHARD_ROUTE, self._as_admin(self._regeneration.find)),
                web.post(wire.REGENERATE_ROUTE, self._as_admin(self._regeneration.regenerate)),
                web.get(wire.TIERING_ROUTE, self._as_admin(self._cold_tiers.shards)),
                web.get(wire.TIERING_SHARD_ROUTE, self._as_admin(self._cold_tiers.plan)),
                web.post(wire.TIERING_ROUTE, self._as_admin(self._cold_tiers.begin)),
                web.post(wire.TIERING_SHARD_ROUTE, self._as_admin(self._cold_tiers.move)),
                web.delete(wire.TIERING_ROUTE, self._as_admin(self._cold_tiers.recall)),
                web.post(wire.BUNDLE_ROUTE, self.take_bundle),
                web.get(wire.STATUS_ROUTE, self.status),
                web.get(wire.EVENTS_ROUTE, self.events),
                web.get(wire.METRICS_ROUTE, self.metrics),
                web.get(wire.HEALTH_ROUTE, self.health),
            ]
        )
        application.on_response_prepare.append(_name_server)
        return application

    async def upload(self, request: web.Request) -> web.Response:
        """Keep a photo: a raw body, or the first file of a multipart form."""
        self._authorize(request, Scope.UPLOAD)
        wanted = self._upload_request(request)
        if request.content_type.startswith("multipart/"):
            chunks = _first_file(request)
        else:
            chunks = request.content.iter_any()
        incoming = UploadBody(chunks, wanted.declared, bytes_max=self._upload_bytes_max)
        receipt, is_new = await self._uploads.take(incoming, wanted)
        if wanted.is_waiting:
            wait_seconds = _wait_seconds(request)
            receipt = await wait_for_sizes(
                receipt, self._photos, self._events, wait_seconds=wait_seconds
            )
        crashpoint("before_reply")
        return web.json_response(
            wire.render_receipt(receipt),
            status=201 if is_new else 200,
            headers={"Location": receipt.status},
        )

    async def photo(self, request: web.Request) -> web.Response:
        """What has become of a photo version."""
        self._authorize(request, Scope.READ)
        status = await self._photos.status(_version_of(request))
        return web.json_response(wire.render_status(status), headers={"Cache-Control": "no-store"})

    async def lookup(self, request: web.Request) -> web.Response:
        """What has become of many photo versions."""
        self._authorize(request, Scope.READ)
        try:
            versions = wire.parse_batch_request(await request.read())
        except ValueError as error:
            raise BadArgument(str(error)) from error
        statuses = await self._pages.lookup(versions)
        return web.json_response(
            {"photos": [wire.render_status(status) for status in statuses]},
            headers={"Cache-Control": "no-store"},
        )

    async def delete(self, request: web.Request) -> web.Response:
        """Make a photo, or one version of it, gone for ever."""
        self._authorize(request, Scope.DELETE)
        match = request.match_info
        version = parse_version(match["version"]) if "version" in match else None
        deletion = await self._deletes.delete(
            parse_volume(match["volume"]), parse_photo_id(match["photo"]), version
        )
        crashpoint("before_reply")
        return web.json_response(asdict(deletion))

    async def revoke(self, request: web.Request) -> web.Response:
        """Give a photo a new version, so that all its old URLs are dead."""
        self._authorize(request, Scope.DELETE)
        return web.json_response(asdict(await self._revokes.revoke(_version_of(request))))

    async def plan_repair(self, request: web.Request) -> web.Response:
        """What would make a volume's mirrors equal; nothing is changed."""
        self._authorize(request, Scope.READ)
        volume = parse_volume(request.match_info["volume"])
        after_recall = request.query.get("thawed") == "1"
        return web.json_response(await self._repairs.plan(volume, after_recall=after_recall))

    async def repair(self, request: web.Request) -> web.Response:
        """Make a volume's mirrors equal."""
        self._authorize(request, Scope.ADMIN)
        volume = parse_volume(request.match_info["volume"])
        return web.json_response(await self._repairs.apply(volume))

    async def take_bundle(self, request: web.Request) -> web.Response:
        """Mirror the sizes a worker has made."""
        body = await request.read()
        refuse_unless_signed(
            self._internal,
            request.headers.get(wire.SIGNATURE_HEADER),
            method=request.method,
            path=request.raw_path,
            digest=hashlib.sha256(body).hexdigest(),
            now_seconds=self._now_seconds(),
        )
        mtime = _whole_number(request, "mtime")
        copies = await self._bundles.take(_version_of(request), body, mtime_seconds=mtime)
        return web.json_response(
            {"durability": copies.durability, "pending_mirrors": copies.pending_mirrors}
        )

    async def status(self, request: web.Request) -> web.Response:
        """The state of the cluster, as this storagemaster sees it."""
        self._authorize(request, Scope.READ)
        return web.json_response(await self._status.document())

    async def events(self, request: web.Request) -> web.StreamResponse:
        """What becomes of photos, as it happens."""
        self._authorize(request, Scope.READ)
        return await stream_events(request, self._events)

    async def metrics(self, request: web.Request) -> web.Response:
        """Numbers for Prometheus, which can send a token."""
        self._authorize(request, Scope.READ)
        body = self._metrics.render(await self._status.document())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def health(self, _: web.Request) -> web.Response:
        """That this storagemaster answers; for balancers."""
        return web.Response(text="ok\n", headers={"Cache-Control": "no-store"})

    def _as_admin(self, handle: Handler) -> Handler:
        """A handler that asks for a token of scope admin first."""
        return self._with_scope(Scope.ADMIN, handle)

    def _with_scope(self, scope: Scope, handle: Handler) -> Handler:
        """A handler that asks for a token of this scope first."""

        async def authorized(request: web.Request) -> web.Response:
            self._authorize(request, scope)
            return await handle(request)

        return authorized

    def _upload_request(self, request: web.Request) -> UploadRequest:
        unknown = request.query.keys() - UPLOAD_QUERY
        if unknown:
            raise BadArgument(
                f"there is no query {', '.join(sorted(unknown))}; there are volume and wait"
            )
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise BadArgument("send the photo as it is, without Content-Encoding")
        is_multipart = request.content_type.startswith("multipart/")
        digest = request.headers.get(wire.DIGEST_HEADER)
        volume = request.query.get("volume")
        return UploadRequest(
            declared=DeclaredBody(
                bytes_total=None if is_multipart else request.content_length,
                sha256=parse_digest_header(digest) if digest else None,
            ),
            volume=parse_volume(volume) if volume is not None else None,
            idempotency_key=_idempotency_key(request),
            first_attempt=request.headers.get(wire.FIRST_ATTEMPT_HEADER) == "1",
            strict=_is_strict(request),
            is_waiting=_wait_seconds(request) > 0,
        )

    def _authorize(self, request: web.Request, scope: Scope) -> None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise NotAuthorized(f"send Authorization: Bearer with a token of scope {scope}")
        try:
            self._tokens.verify(token.strip(), scope_needed=scope, now_seconds=self._now_seconds())
        except InvalidToken as error:
            raise NotAuthorized(f"the token was refused: {error.reason}") from error
        except WrongScope as error:
            raise NotAllowed(f"this needs a token of scope {scope}") from error


async def _name_server(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER_NAME


async def _first_file(request: web.Request) -> AsyncIterator[bytes]:
    try:
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and (part.filename or part.name == "photo"):
                while chunk := await part.read_chunk(64 * 1024):
                    yield chunk
                if not part.at_eof():
                    raise LengthMismatch("the form ends before its closing boundary")
                return
    except (ValueError, HttpProcessingError) as error:
        raise BadArgument(f"the form cannot be read: {error}") from error
    raise BadArgument("the form has no file: send one, as in curl -F photo=@cat.jpg")


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get(wire.IDEMPOTENCY_HEADER)
    if key is None:
        return None
    if not (0 < len(key) <= wire.IDEMPOTENCY_KEY_CHARACTERS_MAX and key.isprintable()):
        raise BadArgument(
            "an Idempotency-Key has 1 to "
            f"{wire.IDEMPOTENCY_KEY_CHARACTERS_MAX} characters, all of them printable"
        )
    return key


def _is_strict(request: web.Request) -> bool:
    durability = request.headers.get(wire.DURABILITY_HEADER, "degraded")
    if durability not in {"strict", "degraded"}:
        raise BadArgument("Durability is strict or degraded")
    return durability == "strict"


def _wait_seconds(request: web.Request) -> int:
    """How long the client wants to wait for the sizes; 0 where it does not say."""
    wait_seconds = _whole_number(request, "wait") if "wait" in request.query else 0
    if wait_seconds > WAIT_SECONDS_MAX:
        raise BadArgument(f"wait is at most {WAIT_SECONDS_MAX} seconds")
    return wait_seconds


def _whole_number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "")
    if not (text.isascii() and text.isdigit()):
        raise BadArgument(f"{name} must be a whole number")
    return int(text)


def _version_of(request: web.Request) -> PhotoVersion:
    match = request.match_info
    return PhotoVersion(
        parse_volume(match["volume"]),
        parse_photo_id(match["photo"]),
        parse_version(match["version"]),
    )
