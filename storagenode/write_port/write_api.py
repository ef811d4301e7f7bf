"""The write port: the node protocol over aiohttp, for machines of the cluster only."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import asdict
from functools import partial
from typing import Any

from aiohttp import web

from permission_urls import InternalVerifier
from runtime.http_server import read_body, refuse_encoded_body
from runtime.tls.certificate import Certificate
from storagenode.disk.audit_files import AuditFiles
from storagenode.disk.lifecycle.trash import is_day
from storagenode.disk.marker import NodeMarker
from storagenode.open_file import OpenFile
from storagenode.partials.partials import Partials
from storagenode.protocol import batch_wire, routes, wire
from storagenode.protocol.errors import BadRequest, InvalidSignature
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place, trash_path
from storagenode.protocol.routes import (
    DIGEST_IN_TRAILER,
    EMPTY_DIGEST,
    Route,
    Signed,
    signed_digest,
)
from storagenode.store import Store
from storagenode.streaming import stream
from storagenode.taken_names import refuse_tombstone
from storagenode.upkeep.fence import Fence
from storagenode.upkeep.node_maps import NodeMaps
from storagenode.upkeep.recent_photos import RecentPhotos
from storagenode.upkeep.upkeep import Upkeep
from storagenode.write_port.audit_api import AuditApi
from storagenode.write_port.batch_lookup import lookup_digests, lookup_infos
from storagenode.write_port.erase_api import EraseApi
from storagenode.write_port.error_middleware import error_middleware
from storagenode.write_port.hints_age import HintsAge
from storagenode.write_port.map_api import MapApi
from storagenode.write_port.metrics import CONTENT_TYPE, NodeMetrics, fsync_counts
from storagenode.write_port.partial_api import PartialApi
from storagenode.write_port.plain_writes import PlainWrites
from storagenode.write_port.pulling import Puller
from storagenode.write_port.receiving import CheckTrailer, Receiver
from storagenode.write_port.recent_api import RecentApi
from storagenode.write_port.repair_api import Handler, RepairApi
from storagenode.write_port.store_threads import StoreThreads
from storagenode.write_port.tiering_api import TieringApi
from volumes.cluster import NodeId
from volumes.cold_tier import render_cold_tier
from volumes.photo_id import parse_photo_id
from volumes.photo_path import (
    InvalidPath,
    parse_path,
    parse_volume,
    render_path,
    render_stem,
    volume_of,
)


class WriteApi:
    """The handlers of the write port of one store. A handler gets the body of a signed request."""

    def __init__(
        self,
        store: Store,
        marker: NodeMarker,
        verifier: InternalVerifier,
        puller: Puller,
        upkeep: Upkeep,
        fence: Fence,
        threads: Executor,
        comparers: Executor,
        *,
        partials: Partials | None,
        audit_files: AuditFiles | None,
        recent: RecentPhotos,
        maps: NodeMaps,
        boot: str,
        certificate: Certificate | None = None,
        abort_responses: Callable[[str], object],
        metrics: NodeMetrics,
        now_seconds: Callable[[], float],
    ) -> None:
        self._abort_responses = abort_responses
        self._metrics = metrics
        self._hints_age = HintsAge()
        self._store = store
        self._marker = marker
        self._verifier = verifier
        self._puller = puller
        self._upkeep = upkeep
        self._fence = fence
        self._threads = StoreThreads(store, threads)
        self._boot = boot
        self._certificate = certificate
        self._now_seconds = now_seconds
        self._recent = recent
        self._receiver = Receiver(store, threads, recent.record)
        comparisons = StoreThreads(store, comparers)
        self._repair = RepairApi(store, puller, fence, self._threads, comparisons)
        self._tiering = TieringApi(store, NodeId(marker.id), self._threads)
        self._partials = PartialApi(partials, self._receiver, self._threads, self._trailer_check)
        self._audit = AuditApi(audit_files, self._threads)
        self._maps = maps

    def application(self) -> web.Application:
        """Return an aiohttp application with a handler for every route of the table."""
        handlers: dict[Route, Handler] = {
            routes.STATUS: self.status,
            routes.METRICS: self.metrics,
            routes.GET_FILE: self.send_file,
            routes.HEAD_FILE: self.send_file,
            routes.PUT_FILE: self.put_file,
            routes.WRITE_MANY: self.write_many,
            routes.REMOVE_HINT: self.remove_hint,
            routes.WRITE_TOMBSTONE: self.write_tombstone,
            routes.PUT_BUNDLE: self.put_bundle,
            routes.PULL: self.pull,
            routes.RESTORE_DIGEST: self.restore_digest,
            routes.QUARANTINE: self.quarantine,
            routes.LIST_HINTS: self.list_hints,
            routes.DIGESTS: self.digests,
            routes.INFOS: self.send_infos,
            routes.FIND: self.find,
            routes.LIST_TRASH: self.list_trashed,
            routes.GET_TRASHED: self.send_trashed,
            routes.SCRUB_PROGRESS: self.scrub_progress,
            routes.REQUEST_SCRUB: self.request_scrub,
            **self._repair.handlers(),
            **self._tiering.handlers(),
            **self._partials.handlers(),
            **self._audit.handlers(),
            **EraseApi(self._store, self._threads).handlers(),
            **MapApi(self._maps, self._store, self._threads).handlers(),
            **RecentApi(self._store, self._recent, self._threads).handlers(),
        }
        application = web.Application(middlewares=[error_middleware])
        for route in routes.ROUTES:
            handler = self._verified(route, handlers[route])
            application.router.add_route(route.method, route.pattern, handler)
        return application

    def _verified(
        self, route: Route, handler: Handler
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return the handler behind a check of the request's signature, then of its body."""
        signed = route.signed

        async def handle(request: web.Request) -> web.StreamResponse:
            digest = request.headers.get(wire.DIGEST_HEADER, EMPTY_DIGEST)
            if signed is Signed.TRAILER:
                digest = DIGEST_IN_TRAILER
            if signed is not Signed.NOTHING:
                signature = request.headers.get(wire.SIGNATURE_HEADER, "")
                self._check(request.method, request.raw_path, signature, digest)
            if signed is Signed.TRAILER:
                # The body has its own signature at the end, and its handler reads it.
                refuse_encoded_body(request)
                return await handler(request, b"")
            body = await read_body(request, bytes_max=route.body_bytes_max)
            if signed is not Signed.NOTHING and signed_digest(signed, body) != digest:
                raise InvalidSignature(
                    f"invalid body of {request.method} {request.raw_path}: "
                    f"its SHA-256 is not {digest!r}"
                )
            return await handler(request, body)

        return handle

    async def status(self, _: web.Request, __: bytes) -> web.Response:
        """Return the node's status."""
        return web.json_response(asdict(await self._status()))

    async def metrics(self, _: web.Request, __: bytes) -> web.Response:
        """Return the node's metrics for Prometheus."""
        body = await asyncio.to_thread(self._metrics.render, await self._status())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _status(self) -> wire.NodeStatus:
        fences = self._fence.status_fields()
        # Not in the write threads: behind their fsyncs the node would be taken for down.
        return await asyncio.to_thread(self._status_now, fences)

    def _status_now(self, fences: Mapping[str, Any]) -> wire.NodeStatus:
        store = self._store
        space, condition = store.space(), store.condition()
        hints = store.count_hints(wire.HINTS_PER_LIST_MAX)
        return wire.NodeStatus(
            node=self._marker.id,
            uuid=self._marker.uuid,
            colo=self._marker.colo,
            boot=self._boot,
            volumes=store.volumes,
            free_bytes=space.free_bytes,
            total_bytes=space.total_bytes,
            accepts_new_photos=condition.accepts_new_photos,
            suspect_reason=condition.suspect_reason,
            unwritten_tombstones=condition.unwritten_tombstones,
            reserve_bytes=condition.reserve_bytes,
            settled=store.settled(),
            **self._upkeep.status_fields(),
            fsync_counts=fsync_counts(store),
            hints=hints,
            hints_age_seconds=self._hints_age.seconds(hints, self._now_seconds()),
            cold_tiers={str(v): render_cold_tier(tier) for v, tier in store.cold_tiers.items()},
            **self._maps.status_fields(),
            **fences,
            **(self._certificate.status_fields() if self._certificate else {}),
        )

    async def put_file(self, request: web.Request, _: bytes) -> web.Response:
        """Publish the streamed body of a PUT."""
        place, mtime = _place(request)
        published = await self._receiver.receive(
            request.content.iter_any(),
            place,
            mtime_seconds=mtime,
            bytes_expected=max(0, (request.content_length or 0) - wire.TRAILER_BYTES),
            check_trailer=self._trailer_check(request),
        )
        return _json(published)

    async def write_many(self, _: web.Request, body: bytes) -> web.Response:
        """Publish a batch of small files and return the outcome of each."""
        self._upkeep.note_write()
        outcomes = await self._receiver.receive_many(batch_wire.parse_writes(body))
        return web.json_response(batch_wire.render_outcomes(outcomes))

    def plain_writes(self) -> PlainWrites:
        """Return the handler of plain batches."""
        return PlainWrites(self._receiver, self._check, self._upkeep.note_write)

    async def send_file(self, request: web.Request, _: bytes) -> web.StreamResponse:
        """Send the stored bytes of a file. The receiver verifies them."""
        place, _mtime = _place(request)
        if place.hint_for is None:
            await self._threads.run(self._store.raise_if_deleted, place.file)
        return await self._send(request, place.path)

    async def _send(self, request: web.Request, path: str) -> web.StreamResponse:
        file = await self._threads.run(self._store.open, path)
        try:
            return await self._stream(request, file)
        finally:
            file.close()

    async def _stream(self, request: web.Request, file: OpenFile) -> web.StreamResponse:
        response = web.StreamResponse()
        digest = file.digest
        if not digest:
            digest = await self._threads.run(file.compute_digest)
            response.headers[wire.UNVERIFIED_HEADER] = "1"
        response.headers[wire.DIGEST_HEADER] = digest
        response.headers[wire.MTIME_HEADER] = str(file.stat.mtime_seconds)
        return await stream(
            request, response, file, start=0, end=file.stat.bytes, threads=self._threads.executor
        )

    async def put_bundle(self, request: web.Request, body: bytes) -> web.Response:
        """Publish the sizes of a version."""
        files = wire.parse_bundle(body)
        hint_for, mtime = wire.parse_query(request.query_string)
        stem = request.match_info["path"]
        if not files:
            raise BadRequest("invalid bundle: it has no files")
        placed = []
        for file in files:
            place = Place(_parse(file.path), hint_for)
            if not file.path.startswith(stem) or render_stem(place.file.photo_version) != stem:  # type: ignore[union-attr]
                raise BadRequest(f"invalid bundle: {file.path} is not a file of {stem}")
            placed.append((place, file.data, file.digest))
        await self._threads.run(self._store.publish_bundle, placed, mtime_seconds=mtime)
        return web.json_response({})

    async def write_tombstone(self, request: web.Request, _: bytes) -> web.Response:
        """Write a tombstone."""
        place, mtime = _place(request)
        if not place.path.endswith(".gone"):
            raise BadRequest(f"{place} is not a tombstone")
        self._maps.refuse_outdated(volume_of(place.file), wire.parse_map_version(request.query))
        try:
            proof = request.query.get("proof", "")
            published = await self._threads.run(
                self._store.write_tombstone, place, mtime_seconds=mtime, proof=proof
            )
        finally:
            if place.hint_for is None:
                # Before the delete is answered: a slow response must not outlive the purge of an
                # edge. A node that cannot store the tombstone also refuses the photo.
                self._abort_responses(place.path.removesuffix(".gone"))
        return _json(published)

    async def remove_hint(self, request: web.Request, _: bytes) -> web.Response:
        """Remove a hint."""
        place, _mtime = _place(request)
        if place.hint_for is None:
            raise BadRequest(f"{place} is not a hint; delete photos with a tombstone")
        await self._threads.run(self._store.remove_hint, place)
        return web.json_response({})

    async def pull(self, _: web.Request, body: bytes) -> web.Response:
        """Fetch a file from another node and publish it."""
        return _json(await self._puller.pull(wire.parse_pull(body)))

    async def restore_digest(self, request: web.Request, _: bytes) -> web.Response:
        """Record the digest of a file that has none."""
        place, _mtime = _place(request)
        refuse_tombstone(place)
        wanted = request.query.get("sha256", "")
        digest = await self._threads.run(self._store.restore_digest, place, wanted)
        return web.json_response({"sha256": digest})

    async def quarantine(self, request: web.Request, _: bytes) -> web.Response:
        """Move a file or a hint with a given digest to the quarantine."""
        place, _mtime = _place(request)
        refuse_tombstone(place)
        digest = request.query.get("sha256", "")
        path = await self._threads.run(self._store.quarantine, place, digest=digest)
        return web.json_response({"path": path or ""})

    async def list_hints(self, request: web.Request, _: bytes) -> web.Response:
        """Return the hints for one mirror, or for all."""
        mirror, _mtime = wire.parse_query(request.query_string)
        hints = await self._threads.run(
            self._store.list_hints, wire.HINTS_PER_LIST_MAX, mirror=mirror
        )
        return web.json_response(wire.render_hints(hints))

    async def digests(self, _: web.Request, body: bytes) -> web.Response:
        """Return the recorded digests of the requested files that are on this node."""
        return web.json_response(await self._threads.run(lookup_digests, self._store, body))

    async def send_infos(self, _: web.Request, body: bytes) -> web.Response:
        """Send the requested infos that are on this node and sound, as one bundle."""
        return web.Response(body=await self._threads.run(lookup_infos, self._store, body))

    async def find(self, request: web.Request, _: bytes) -> web.Response:
        """Return every path of a photo on this node."""
        photo = parse_photo_id(request.match_info["photo"])
        return web.json_response(await self._threads.run(self._store.find, photo))

    async def list_trashed(self, request: web.Request, _: bytes) -> web.Response:
        """Return the files of one photo in the trash."""
        volume = parse_volume(request.match_info["volume"])
        photo = parse_photo_id(request.match_info["photo"])
        files = await self._threads.run(self._store.list_trash, volume, photo)
        return web.json_response(wire.render_trashed(files))

    async def send_trashed(self, request: web.Request, _: bytes) -> web.StreamResponse:
        """Send the bytes of a file in the trash. The receiver verifies them."""
        day = request.match_info["day"]
        if not is_day(day):
            raise BadRequest(f"invalid day {day!r}: must be YYYY-MM-DD")
        path = trash_path(day, render_path(_parse(request.match_info["path"])))
        return await self._send(request, path)

    async def scrub_progress(self, _: web.Request, __: bytes) -> web.Response:
        """Return the scrub progress and findings."""
        return web.json_response(self._upkeep.scrub_document())

    async def request_scrub(self, _: web.Request, __: bytes) -> web.Response:
        """Start a scrub pass after the present one."""
        self._upkeep.request_scrub()
        return web.json_response(self._upkeep.scrub_document())

    def _trailer_check(self, request: web.Request) -> CheckTrailer:
        return partial(self._check, request.method, request.raw_path)

    def _check(self, method: str, path: str, signature: str, digest: str) -> None:
        wire.refuse_unless_signed(
            self._verifier,
            signature,
            method=method,
            path=path,
            digest=digest,
            now_seconds=self._now_seconds(),
        )


def _place(request: web.Request) -> tuple[Place, int]:
    hint_for, mtime = wire.parse_query(request.query_string)
    return Place(_parse(request.match_info["path"]), hint_for), mtime


def _parse(path: str) -> Any:
    try:
        return parse_path(path)
    except InvalidPath as error:
        raise BadRequest(str(error)) from error


def _json(published: Published) -> web.Response:
    return web.json_response(asdict(published))
