"""The storagemaster's API: uploads, photos, deletes, and the state of the cluster."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import asdict

from aiohttp import web

from runtime.crashpoint import crashpoint
from runtime.request_scope import HEADER, current_request_id
from storagemaster import wire
from storagemaster.admission.auditing import STORED, upload_act
from storagemaster.admission.authorization import BODY, CALLER, URLS, Authorization, Handler
from storagemaster.admission.cross_origin import name_methods, options
from storagemaster.admission.path_fields import (
    limit_in,
    photo_in,
    photo_version_in,
    version_in,
    volume_in,
)
from storagemaster.admission.problems import problem_middleware
from storagemaster.errors import BadArgument
from storagemaster.events.events import Events
from storagemaster.events.stream import stream_events
from storagemaster.handlers.audit_api import AuditApi
from storagemaster.handlers.console_api import ConsoleApi
from storagemaster.handlers.description_api import DescriptionApi
from storagemaster.handlers.form_uploads import FormUploads
from storagemaster.handlers.known_api import KnownApi
from storagemaster.handlers.operator_api import OperatorApi
from storagemaster.handlers.plain_uploads import PlainUploads
from storagemaster.handlers.regenerate_api import RegenerateApi
from storagemaster.handlers.tiering_api import TieringApi
from storagemaster.handlers.tus_api import TusApi
from storagemaster.handlers.upload_request import (
    body_limit,
    declared_digest,
    upload_request,
    wait_seconds,
)
from storagemaster.jobs.bundles import Bundles
from storagemaster.lifecycle.deletes import Deletes
from storagemaster.lifecycle.revokes import Revokes
from storagemaster.operations.cluster_status import ClusterStatus
from storagemaster.operations.metrics import CONTENT_TYPE, MasterMetrics
from storagemaster.operations.recent_status import RecentStatus
from storagemaster.photos.batch_lookup import BatchLookup, unknown_entry
from storagemaster.photos.photos import Photos
from storagemaster.photos.recent_listing import RecentListing, parse_before
from storagemaster.photos.volume_listing import VolumeListing, parse_cursor
from storagemaster.repair.repairs import Repairs
from storagemaster.resumable import tus
from storagemaster.uploads.form import first_file
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody
from storagemaster.uploads.uploads import Uploads
from storagemaster.uploads.waiting import wait_for_sizes
from volumes.json_text import parse_whole_number
from volumes.photo_path import parse_volume

# A path segment that is none of these, which other methods belong to.
_VERSION = "{version:(?!(?:undelete|erase)$)[^/]+}"


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
        listing: VolumeListing,
        recent: RecentListing,
        known: KnownApi,
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
        resumable: TusApi,
        description: DescriptionApi,
        console: ConsoleApi,
        audit: AuditApi,
    ) -> None:
        self._console = console
        self._authorization = authorization
        self._auditing = audit.auditing
        self._upload_bytes_max = upload_bytes_max
        self._uploads = uploads
        self._resumable = resumable
        self._photos = photos
        self._batches = batches
        self._listing = listing
        self._recent = recent
        self._deletes = deletes
        self._revokes = revokes
        self._bundles = bundles
        self._repairs = repairs
        self._status = status
        self._recent_status = RecentStatus(status.document)
        self._events = events
        self._metrics = metrics
        self._handlers: Mapping[wire.Route, Handler] = {
            wire.UPLOAD: self.upload,
            wire.UPLOAD_FORM: FormUploads(
                authorization, uploads, upload_bytes_max=upload_bytes_max
            ).upload,
            wire.PHOTOS_OF_VOLUME: self.photos_of_volume,
            wire.RECENT_PHOTOS: self.recent_photos,
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
            **known.handlers,
            **operators.handlers,
            **regeneration.handlers,
            **tiering.handlers,
            **resumable.handlers,
            **description.handlers,
            **audit.handlers,
        }

    def plain_uploads(self) -> PlainUploads:
        """Return the handler of plain uploads."""
        return PlainUploads(
            self._authorization,
            self._auditing,
            self._uploads,
            upload_bytes_max=self._upload_bytes_max,
        )

    def application(self, routes: Iterable[wire.Route] = wire.ROUTES) -> web.Application:
        """Return some routes as an aiohttp application."""
        application = web.Application(middlewares=[problem_middleware])
        resources: dict[str, web.Resource] = {}
        for route in routes:
            path = route.template.replace("{version}", _VERSION)
            if path not in resources:
                resources[path] = application.router.add_resource(path)
            authorized = self._authorization.authorized(route, self._handlers[route])
            resources[path].add_route(route.method, self._auditing.audited(route, authorized))
        for resource in resources.values():
            handlers = {route.method: route.handler for route in resource}
            if "GET" in handlers and "HEAD" not in handlers:
                resource.add_route("HEAD", handlers["GET"])
            if "OPTIONS" not in handlers:
                resource.add_route("OPTIONS", options)
        self._console.add_routes(application, self._auditing)
        application.on_response_prepare.extend(
            (
                _name_request,
                _name_tus_version,
                name_methods,
                self._authorization.cross_origin.add_headers,
            )
        )
        return application

    async def close(self) -> None:
        """End the work that no response waits for."""
        await self._resumable.close()

    async def upload(self, request: web.Request) -> web.Response:
        """Store a photo: a raw body, or the first file of a multipart form."""
        is_form = request.content_type.startswith("multipart/")
        declared = DeclaredBody(
            bytes_total=None if is_form else request.content_length,
            sha256=declared_digest(request),
        )
        upload = upload_request(request, declared)
        caller = request[CALLER]
        body = _first_file_of(request) if is_form else request.content.iter_any()
        incoming = UploadBody(
            self._authorization.until_revoked(caller.token_id, body),
            upload.declared,
            bytes_max=body_limit(upload, self._upload_bytes_max),
            formats=upload.formats,
        )
        receipt, is_new = await self._uploads.take(incoming, upload)
        request[STORED] = upload_act(receipt.reference, caller.token_id, caller.application)
        if upload.is_waiting:
            receipt = await wait_for_sizes(
                receipt, self._photos, self._events, wait_seconds=wait_seconds(request)
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

    async def photos_of_volume(self, request: web.Request) -> web.Response:
        """Return a page of a volume's photos."""
        if "volume" not in request.query:
            raise BadArgument("the volume is missing: send GET /photos?volume=N")
        volume = parse_volume(request.query["volume"])
        request[CALLER].refuse_other_volumes(volume)
        after = request.query.get("after")
        page = await self._listing.page(
            volume,
            after=None if after is None else parse_cursor(after),
            limit=_page_limit(request),
        )
        return web.json_response(asdict(page), headers={"Cache-Control": "no-store"})

    async def recent_photos(self, request: web.Request) -> web.Response:
        """Return a page of the photos that were stored last."""
        before = request.query.get("before")
        page = await self._recent.page(
            before=None if before is None else parse_before(before),
            limit=_page_limit(request),
            may_see=request[CALLER].may_use,
        )
        return web.json_response(asdict(page), headers={"Cache-Control": "no-store"})

    async def lookup(self, request: web.Request) -> web.Response:
        """Return the status of a batch of photo versions."""
        try:
            versions = wire.parse_batch_request(request[BODY])
        except ValueError as error:
            raise BadArgument(str(error)) from error
        caller = request[CALLER]
        own = [version for version in versions if caller.may_use(version.volume)]
        found = dict(zip(own, await self._batches.lookup(own, request[URLS]), strict=True))
        entries = [found.get(version) or unknown_entry(version) for version in versions]
        return web.Response(
            body=b'{"photos": [%b]}' % b", ".join(entries),
            content_type="application/json",
            charset="utf-8",
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
        text = request.query.get("after_recall", "0")
        if text not in {"0", "1"}:
            raise BadArgument(f"invalid after_recall {text!r}: must be 0 or 1")
        return web.json_response(await self._repairs.plan(volume, after_recall=text == "1"))

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
        caller = request[CALLER]
        return await stream_events(
            request,
            self._events,
            may_see=caller.may_use,
            is_allowed=lambda: self._authorization.is_valid(caller),
        )

    async def metrics(self, _: web.Request) -> web.Response:
        """Return metrics for Prometheus, which can send a token."""
        body = self._metrics.render(await self._recent_status.document())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


async def _first_file_of(request: web.Request) -> AsyncIterator[bytes]:
    try:
        form = await request.multipart()
    except ValueError as error:
        raise BadArgument(f"malformed form: {error}") from error
    async for chunk in first_file(form):
        yield chunk


async def _name_request(_: web.Request, response: web.StreamResponse) -> None:
    response.headers[HEADER] = current_request_id()


async def _name_tus_version(request: web.Request, response: web.StreamResponse) -> None:
    if request.path.startswith(wire.BEGIN_UPLOAD.template):
        response.headers[tus.VERSION_HEADER] = tus.VERSION


def _page_limit(request: web.Request) -> int:
    return limit_in(request, usual=wire.PAGE_PHOTOS, most=wire.PAGE_PHOTOS_MAX)


def _whole_number(request: web.Request, name: str, *, default: int | None = None) -> int:
    text = request.query.get(name)
    if text is None and default is not None:
        return default
    try:
        return parse_whole_number(text or "")
    except ValueError as error:
        raise BadArgument(f"invalid {name}: {error}") from error
