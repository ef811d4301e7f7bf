"""The write port: the node's protocol over aiohttp, for machines of the cluster only."""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

from aiohttp import web

from permission_urls import InternalVerifier
from storagenode.disk.marker import NodeMarker
from storagenode.disk.trash import is_day
from storagenode.open_file import OpenFile
from storagenode.protocol import wire, writes_wire
from storagenode.protocol.errors import BadRequest
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place, trash_path
from storagenode.store import Store
from storagenode.streaming import stream
from storagenode.upkeep.fence import Fence
from storagenode.upkeep.upkeep import Upkeep
from storagenode.write_port.batch_lookup import lookup_digests, lookup_infos
from storagenode.write_port.error_middleware import error_middleware
from storagenode.write_port.metrics import CONTENT_TYPE, render_metrics
from storagenode.write_port.pulling import Puller
from storagenode.write_port.receiving import Receiver
from storagenode.write_port.repair_api import RepairApi
from volumes.cold_tier import parse_cold_tier, render_cold_tier
from volumes.photo_id import parse_photo_id, parse_version
from volumes.photo_path import (
    InvalidPath,
    PhotoVersion,
    VolumeId,
    parse_path,
    parse_volume,
    render_path,
    render_stem,
)

T = TypeVar("T")


class WriteApi:
    """The routes of the write port, over one store."""

    def __init__(
        self,
        store: Store,
        marker: NodeMarker,
        verifier: InternalVerifier,
        puller: Puller,
        upkeep: Upkeep,
        fence: Fence,
        threads: Executor,
        *,
        boot: str,
        now_seconds: Callable[[], float],
    ) -> None:
        self._store = store
        self._marker = marker
        self._verifier = verifier
        self._puller = puller
        self._upkeep = upkeep
        self._fence = fence
        self._threads = threads
        self._boot = boot
        self._now_seconds = now_seconds
        self._receiver = Receiver(store, threads)
        self._repair = RepairApi(
            store,
            puller,
            fence,
            signed_body=self._signed_body,
            in_thread=self._in_thread,
        )

    def application(self) -> web.Application:
        """The routes as an aiohttp application."""
        application = web.Application(
            middlewares=[error_middleware], client_max_size=wire.BUNDLE_BYTES_MAX
        )
        application.add_routes(
            [
                web.get(wire.STATUS_ROUTE, self.status),
                web.get(wire.METRICS_ROUTE, self.metrics),
                web.get(wire.FILE_ROUTE, self.send_file),
                web.put(wire.FILE_ROUTE, self.take_file),
                web.post(writes_wire.WRITES_ROUTE, self.take_many),
                web.delete(wire.FILE_ROUTE, self.remove_hint),
                web.put(wire.TOMBSTONE_ROUTE, self.write_tombstone),
                web.post(wire.BUNDLE_ROUTE, self.take_bundle),
                web.post(wire.PULL_ROUTE, self.pull),
                web.post(wire.RESTORE_DIGEST_ROUTE, self.restore_digest),
                web.post(wire.RELINK_ROUTE, self.relink),
                web.get(wire.HINTS_ROUTE, self.list_hints),
                web.post(wire.DIGESTS_ROUTE, self.digests),
                web.post(wire.INFOS_ROUTE, self.send_infos),
                web.put(wire.VOLUME_ROUTE, self.create_volume),
                web.put(wire.COLD_TIER_ROUTE, self.set_cold_tier),
                web.post(wire.DROP_ROUTE, self.drop_copy),
                *self._repair.routes(),
                web.get(wire.FIND_ROUTE, self.find),
                web.get(wire.TRASHED_ROUTE, self.list_trashed),
                web.get(wire.TRASHED_FILE_ROUTE, self.send_trashed),
                web.get(wire.SCRUB_ROUTE, self.scrub_progress),
                web.post(wire.SCRUB_ROUTE, self.request_scrub),
            ]
        )
        return application

    async def status(self, request: web.Request) -> web.Response:
        """What this node is, has, and has room for."""
        await self._signed_body(request)
        return web.json_response(asdict(await self._status()))

    async def metrics(self, _: web.Request) -> web.Response:
        """Numbers for Prometheus, unsigned: no edge knows this port, and they open nothing."""
        body = render_metrics(await self._status())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _status(self) -> wire.NodeStatus:
        fenced, serial = self._fence.fenced_volumes, self._fence.serial
        # Not in the threads that write: who waits behind their fsyncs would be taken for dead.
        return await asyncio.to_thread(self._status_now, fenced, serial)

    def _status_now(self, fenced: tuple[VolumeId, ...], fence_serial: str) -> wire.NodeStatus:
        store = self._store
        space, condition = store.space(), store.condition()
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
            hints=store.count_hints(wire.HINTS_PER_LIST_MAX),
            cold_tiers={str(v): render_cold_tier(chill) for v, chill in store.cold_tiers.items()},
            fenced=fenced,
            fence_serial=fence_serial,
        )

    async def take_file(self, request: web.Request) -> web.Response:
        """Publish the streamed body of a PUT."""
        self._check_signature(request, wire.DIGEST_IN_TRAILER)
        place, mtime = self._place(request)
        published = await self._receiver.receive(
            request.content.iter_any(),
            place,
            mtime_seconds=mtime,
            bytes_expected=max(0, (request.content_length or 0) - wire.TRAILER_BYTES),
            check_trailer=partial(self._check_closing, request.raw_path),
        )
        return _json(published)

    async def take_many(self, request: web.Request) -> web.Response:
        """Publish small files, and say of each what became of it."""
        body = await request.read()
        signed = writes_wire.signed_part(body)
        self._check_signature(request, hashlib.sha256(signed).hexdigest())
        outcomes = await self._receiver.receive_many(writes_wire.parse_writes(body))
        return web.json_response(writes_wire.render_outcomes(outcomes))

    def _check_closing(self, path: str, signature: str, digest: str) -> None:
        self._check("PUT", path, signature, digest)

    async def send_file(self, request: web.Request) -> web.StreamResponse:
        """The bytes of a file, as they are on the disk; the receiver verifies them."""
        await self._signed_body(request)
        place, _ = self._place(request)
        if place.hint_for is None:
            await self._in_thread(partial(self._store.raise_if_deleted, place.file))
        return await self._send(request, place.path)

    async def _send(self, request: web.Request, path: str) -> web.StreamResponse:
        file = await self._in_thread(partial(self._store.open, path))
        try:
            return await self._stream(request, file)
        finally:
            file.close()

    async def _stream(self, request: web.Request, file: OpenFile) -> web.StreamResponse:
        response = web.StreamResponse()
        response.headers[wire.DIGEST_HEADER] = await self._digest_of(file)
        response.headers[wire.MTIME_HEADER] = str(file.stat.mtime_seconds)
        return await stream(
            request, response, file, start=0, end=file.stat.bytes, threads=self._threads
        )

    async def _digest_of(self, file: OpenFile) -> str:
        if file.digest:
            return file.digest
        return await self._in_thread(file.compute_digest)

    async def take_bundle(self, request: web.Request) -> web.Response:
        """Publish the sizes of a version."""
        files = wire.parse_bundle(await self._signed_body(request))
        hint_for, mtime = wire.parse_query(request.query_string)
        stem = request.match_info["path"]
        if not files:
            raise BadRequest("a bundle without files")
        placed = []
        for file in files:
            place = Place(_parse(file.path), hint_for)
            if not file.path.startswith(stem) or render_stem(place.file.photo_version) != stem:  # type: ignore[union-attr]
                raise BadRequest(f"{file.path} is not a file of {stem}")
            placed.append((place, file.data, file.digest))
        await self._in_thread(partial(self._store.publish_bundle, placed, mtime_seconds=mtime))
        return web.json_response({})

    async def write_tombstone(self, request: web.Request) -> web.Response:
        """Write a tombstone."""
        await self._signed_body(request)
        place, mtime = self._place(request)
        if not place.path.endswith(".gone"):
            raise BadRequest(f"{place} is not a tombstone")
        return _json(
            await self._in_thread(partial(self._store.write_tombstone, place, mtime_seconds=mtime))
        )

    async def remove_hint(self, request: web.Request) -> web.Response:
        """Drop a file that was held for another node."""
        await self._signed_body(request)
        place, _ = self._place(request)
        if place.hint_for is None:
            raise BadRequest("only what is owed can be let go of; photos are deleted by tombstone")
        await self._in_thread(partial(self._store.remove_hint, place))
        return web.json_response({})

    async def pull(self, request: web.Request) -> web.Response:
        """Fetch a file from another node and publish it."""
        pull = wire.parse_pull(await self._signed_body(request))
        return _json(await self._puller.pull(pull))

    async def restore_digest(self, request: web.Request) -> web.Response:
        """Note the digest of a file that has none."""
        await self._signed_body(request)
        place, _ = self._place(request)
        wanted = request.query.get("sha256", "")
        digest = await self._in_thread(partial(self._store.restore_digest, place, wanted))
        return web.json_response({"sha256": digest})

    async def relink(self, request: web.Request) -> web.Response:
        """Link every file of a version, or its original alone, under another version."""
        await self._signed_body(request)
        match = request.match_info
        photo_version = PhotoVersion(
            parse_volume(match["volume"]),
            parse_photo_id(match["photo"]),
            parse_version(match["version"]),
        )
        new = parse_version(match["new_version"])
        only = request.query.get("only")
        if only not in {None, wire.ORIGINAL_ONLY}:
            raise BadRequest(f"{only!r} is nothing that can be relinked alone")
        paths = await self._in_thread(
            partial(self._store.relink, photo_version, new, original_only=only is not None)
        )
        return web.json_response({"paths": paths})

    async def list_hints(self, request: web.Request) -> web.Response:
        """Files held for one other node."""
        await self._signed_body(request)
        mirror, _ = wire.parse_query(request.query_string)
        entries = await self._in_thread(
            partial(self._store.list_hints, wire.HINTS_PER_LIST_MAX, mirror=mirror)
        )
        return web.json_response(
            [
                {**wire.render_place(entry.place), "bytes": entry.bytes, "sha256": entry.digest}
                for entry in entries
            ]
        )

    async def digests(self, request: web.Request) -> web.Response:
        """Which of many files are here, and the digests noted on them."""
        body = await self._signed_body(request)
        return web.json_response(await self._in_thread(partial(lookup_digests, self._store, body)))

    async def send_infos(self, request: web.Request) -> web.Response:
        """The info documents of many photos, those that are here and sound, as one bundle."""
        body = await self._signed_body(request)
        return web.Response(body=await self._in_thread(partial(lookup_infos, self._store, body)))

    async def create_volume(self, request: web.Request) -> web.Response:
        """Become a home of a volume."""
        await self._signed_body(request)
        volume = parse_volume(request.match_info["volume"])
        await self._in_thread(partial(self._store.create_volume, volume))
        return web.json_response({})

    async def set_cold_tier(self, request: web.Request) -> web.Response:
        """Note who keeps the large sizes of a volume; with no body, that all mirrors do."""
        body = await self._signed_body(request)
        volume = parse_volume(request.match_info["volume"])
        try:
            cold_tier = parse_cold_tier(body) if body else None
        except ValueError as error:
            raise BadRequest(str(error)) from error
        await self._in_thread(partial(self._store.set_cold_tier, volume, cold_tier))
        return web.json_response({})

    async def drop_copy(self, request: web.Request) -> web.Response:
        """Let go of a file that the keepers of its volume have."""
        await self._signed_body(request)
        place, _ = self._place(request)
        digest = request.query.get("sha256", "")
        await self._in_thread(partial(self._store.drop_copy, place, digest))
        return web.json_response({})

    async def find(self, request: web.Request) -> web.Response:
        """Every path of a photo on this node."""
        await self._signed_body(request)
        photo = parse_photo_id(request.match_info["photo"])
        return web.json_response(await self._in_thread(partial(self._store.find, photo)))

    async def list_trashed(self, request: web.Request) -> web.Response:
        """What the trash has of one photo."""
        await self._signed_body(request)
        volume = parse_volume(request.match_info["volume"])
        photo = parse_photo_id(request.match_info["photo"])
        files = await self._in_thread(partial(self._store.list_trash, volume, photo))
        return web.json_response(wire.render_trashed(files))

    async def send_trashed(self, request: web.Request) -> web.StreamResponse:
        """The bytes of a file in the trash; the receiver verifies them."""
        await self._signed_body(request)
        day = request.match_info["day"]
        if not is_day(day):
            raise BadRequest(f"{day!r} is not a day")
        path = trash_path(day, render_path(_parse(request.match_info["path"])))
        return await self._send(request, path)

    async def scrub_progress(self, request: web.Request) -> web.Response:
        """How far the scrub is, and what it has found."""
        await self._signed_body(request)
        return web.json_response(self._upkeep.scrub_document())

    async def request_scrub(self, request: web.Request) -> web.Response:
        """Have a scrub pass begin as soon as the present one has ended."""
        await self._signed_body(request)
        self._upkeep.request_scrub()
        return web.json_response(self._upkeep.scrub_document())

    def _place(self, request: web.Request) -> tuple[Place, int]:
        hint_for, mtime = wire.parse_query(request.query_string)
        return Place(_parse(request.match_info["path"]), hint_for), mtime

    async def _signed_body(self, request: web.Request) -> bytes:
        """The body, after checking that this very request was signed."""
        body = await request.read()
        self._check_signature(request, hashlib.sha256(body).hexdigest())
        return body

    def _check_signature(self, request: web.Request, digest: str) -> None:
        signature = request.headers.get(wire.SIGNATURE_HEADER, "")
        self._check(request.method, request.raw_path, signature, digest)

    def _check(self, method: str, path: str, signature: str, digest: str) -> None:
        wire.refuse_unless_signed(
            self._verifier,
            signature,
            method=method,
            path=path,
            digest=digest,
            now_seconds=self._now_seconds(),
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _parse(path: str) -> Any:
    try:
        return parse_path(path)
    except InvalidPath as error:
        raise BadRequest(str(error)) from error


def _json(published: Published) -> web.Response:
    return web.json_response(asdict(published))
