"""The storagemaster's API: uploads, photos, deletes, and the state of the cluster."""

from collections.abc import Mapping
from dataclasses import asdict

from aiohttp import web

from runtime.crashpoint import crashpoint
from storagemaster import wire
from storagemaster.errors import BadArgument
from storagemaster.events.events import Events
from storagemaster.events.stream import stream_events
from storagemaster.handlers.authorization import BODY, CALLER, URLS, Authorization, Handler
from storagemaster.handlers.operator_api import OperatorApi
from storagemaster.handlers.path_fields import (
    photo_in,
    photo_version_in,
    version_in,
    volume_in,
)
from storagemaster.handlers.problems import SERVER_NAME, problem_middleware
from storagemaster.handlers.regenerate_api import RegenerateApi
from storagemaster.handlers.tiering_api import TieringApi
from storagemaster.jobs.bundles import Bundles
from storagemaster.lifecycle.deletes import Deletes
from storagemaster.lifecycle.revokes import Revokes
from storagemaster.operations.cluster_status import ClusterStatus
from storagemaster.operations.metrics import CONTENT_TYPE, MasterMetrics
from storagemaster.photos.batch_lookup import BatchLookup, unknown_entry
from storagemaster.photos.photos import Photos
from storagemaster.repair.repairs import Repairs
from storagemaster.uploads.form import first_file
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody, parse_digest_header
from storagemaster.uploads.uploads import UploadRequest, Uploads
from storagemaster.uploads.waiting import WAIT_SECONDS_MAX, wait_for_sizes
from volumes.json_text import parse_whole_number
from volumes.photo_path import parse_volume

UPLOAD_QUERY = ("volume", "wait", wire.EXPIRES_QUERY)


class Api:
    """Handlers of all routes, which parse requests and render responses."""

    def __init__(
        self,
        *,
        authorization: Authorization,
        upload_bytes_max: int,
        uploads: Uploads,
        photos: Photos,
        batches: BatchLookup,
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
    ) -> None:
        self._authorization = authorization
        self._upload_bytes_max = upload_bytes_max
        self._uploads = uploads
        self._photos = photos
        self._batches = batches
        self._deletes = deletes
        self._revokes = revokes
        self._bundles = bundles
        self._repairs = repairs
        self._status = status
        self._events = events
        self._metrics = metrics
        self._handlers: Mapping[wire.Route, Handler] = {
            wire.UPLOAD: self.upload,
            wire.LOOKUP: self.lookup,
            wire.PHOTO: self.photo,
            wire.DELETE_PHOTO: self.delete,
            wire.DELETE_VERSION: self.delete,
            wire.REVOKE: self.revoke,
            wire.DIFF: self.diff,
            wire.REPAIR: self.repair,
            wire.BUNDLE: self.take_bundle,
            wire.STATUS: self.status,
            wire.EVENTS: self.events,
            wire.METRICS: self.metrics,
            wire.HEALTH: self.health,
            **operators.handlers,
            **regeneration.handlers,
            **tiering.handlers,
        }

    def application(self) -> web.Application:
        """Return the routes as an aiohttp application."""
        application = web.Application(middlewares=[problem_middleware])
        for route, handle in self._handlers.items():
            authorized = self._authorization.authorized(route, handle)
            application.router.add_routes([web.route(route.method, route.template, authorized)])
        application.on_response_prepare.append(_name_server)
        return application

    async def upload(self, request: web.Request) -> web.Response:
        """Store a photo: a raw body, or the first file of a multipart form."""
        upload = self._upload_request(request)
        if request.content_type.startswith("multipart/"):
            chunks = first_file(request)
        else:
            chunks = request.content.iter_any()
        incoming = UploadBody(chunks, upload.declared, bytes_max=self._upload_bytes_max)
        receipt, is_new = await self._uploads.take(incoming, upload)
        if upload.is_waiting:
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
        """Return the status of a photo version."""
        status = await self._photos.status(photo_version_in(request), request[URLS])
        return web.json_response(wire.render_status(status), headers={"Cache-Control": "no-store"})

    async def lookup(self, request: web.Request) -> web.Response:
        """Return the status of a batch of photo versions."""
        try:
            versions = wire.parse_batch_request(request[BODY])
        except ValueError as error:
            raise BadArgument(str(error)) from error
        caller = request[CALLER]
        own = [version for version in versions if caller.may_use(version.volume)]
        found = iter(await self._batches.lookup(own, request[URLS]))
        statuses = [
            next(found) if caller.may_use(version.volume) else unknown_entry(version)
            for version in versions
        ]
        return web.json_response(
            {"photos": [wire.render_status(status) for status in statuses]},
            headers={"Cache-Control": "no-store"},
        )

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a photo, or one version of it."""
        deletion = await self._deletes.delete(
            volume_in(request), photo_in(request), version_in(request)
        )
        crashpoint("before_reply")
        return web.json_response(asdict(deletion))

    async def revoke(self, request: web.Request) -> web.Response:
        """Give a photo a new version, which invalidates all its URLs."""
        revocation = await self._revokes.revoke(photo_version_in(request), request[URLS])
        return web.json_response(asdict(revocation))

    async def diff(self, request: web.Request) -> web.Response:
        """Return the steps that would make a volume's mirrors equal. Nothing is changed."""
        volume = volume_in(request)
        after_recall = request.query.get("after_recall") == "1"
        return web.json_response(await self._repairs.plan(volume, after_recall=after_recall))

    async def repair(self, request: web.Request) -> web.Response:
        """Make a volume's mirrors equal."""
        volume = volume_in(request)
        return web.json_response(await self._repairs.apply(volume))

    async def take_bundle(self, request: web.Request) -> web.Response:
        """Mirror the sizes that a worker has made."""
        mtime = _whole_number(request, "mtime")
        copies = await self._bundles.take(
            photo_version_in(request), request[BODY], mtime_seconds=mtime
        )
        return web.json_response(
            {"durability": copies.durability, "pending_mirrors": copies.pending_mirrors}
        )

    async def status(self, _: web.Request) -> web.Response:
        """Return the state of the cluster, as this storagemaster sees it."""
        return web.json_response(await self._status.document())

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream the events of photos."""
        return await stream_events(request, self._events, request[CALLER].may_use)

    async def metrics(self, _: web.Request) -> web.Response:
        """Return metrics for Prometheus, which can send a token."""
        body = self._metrics.render(await self._status.document())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def health(self, _: web.Request) -> web.Response:
        """Respond, for the health check of a load balancer."""
        return web.Response(text="ok\n", headers={"Cache-Control": "no-store"})

    def _upload_request(self, request: web.Request) -> UploadRequest:
        unknown = request.query.keys() - set(UPLOAD_QUERY)
        if unknown:
            raise BadArgument(
                f"unknown query parameters: {', '.join(sorted(unknown))}; "
                f"known parameters: {', '.join(UPLOAD_QUERY)}"
            )
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise BadArgument("unsupported Content-Encoding; send the photo without one")
        is_multipart = request.content_type.startswith("multipart/")
        digest = request.headers.get(wire.DIGEST_HEADER)
        caller, text = request[CALLER], request.query.get("volume")
        volume = parse_volume(text) if text is not None else None
        if volume is not None:
            caller.refuse_other_volumes(volume)
        return UploadRequest(
            declared=DeclaredBody(
                bytes_total=None if is_multipart else request.content_length,
                sha256=parse_digest_header(digest) if digest else None,
            ),
            volume=volume,
            own_volumes=caller.volumes,
            application=caller.key_namespace,
            urls=request[URLS],
            idempotency_key=_idempotency_key(request),
            strict=_is_strict(request),
            is_waiting=_wait_seconds(request) > 0,
        )


async def _name_server(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER_NAME


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get(wire.IDEMPOTENCY_HEADER)
    if key is None:
        return None
    if not (0 < len(key) <= wire.IDEMPOTENCY_KEY_CHARACTERS_MAX and key.isprintable()):
        raise BadArgument(
            "invalid Idempotency-Key: must be 1 to "
            f"{wire.IDEMPOTENCY_KEY_CHARACTERS_MAX} printable characters"
        )
    return key


def _is_strict(request: web.Request) -> bool:
    durability = request.headers.get(wire.DURABILITY_HEADER, "degraded")
    if durability not in {"strict", "degraded"}:
        raise BadArgument(f"invalid Durability {durability!r}: must be strict or degraded")
    return durability == "strict"


def _wait_seconds(request: web.Request) -> int:
    """Return how long the client waits for the sizes, or 0 by default."""
    wait_seconds = _whole_number(request, "wait") if "wait" in request.query else 0
    if wait_seconds > WAIT_SECONDS_MAX:
        raise BadArgument(f"invalid wait {wait_seconds}: at most {WAIT_SECONDS_MAX} seconds")
    return wait_seconds


def _whole_number(request: web.Request, name: str) -> int:
    try:
        return parse_whole_number(request.query.get(name, ""))
    except ValueError as error:
        raise BadArgument(f"invalid {name}: {error}") from error
