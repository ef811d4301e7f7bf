"""Handlers of the write port for repair: contents of a volume, and batches of small files."""

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from aiohttp import web

from storagenode.protocol import batch_wire, routes, volume_wire, wire
from storagenode.protocol.batch_wire import ReadFile, ReadOutcome
from storagenode.protocol.errors import BadRequest, NodeError, NotAMirror, StillListing
from storagenode.protocol.files import volume_digest
from storagenode.protocol.layout import Place
from storagenode.protocol.routes import Route
from storagenode.store import Store
from storagenode.upkeep.fence import Fence
from storagenode.write_port.pulling import Puller
from storagenode.write_port.store_threads import StoreThreads
from volumes.photo_id import parse_photo_id
from volumes.photo_path import VolumeId, parse_volume

log = logging.getLogger(__name__)

# Time that one request spends on many volumes. The next request continues.
ROWS_SECONDS = 5.0

Handler = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]
"""Handler of a request with a verified signature, and of its body."""


class RepairApi:
    """Handlers for storagemasters that compare mirrors and for nodes that fetch from this one."""

    def __init__(
        self,
        store: Store,
        puller: Puller,
        fence: Fence,
        threads: StoreThreads,
        comparisons: StoreThreads,
    ) -> None:
        self._store = store
        self._puller = puller
        self._fence = fence
        self._threads = threads
        self._comparisons = comparisons

    def handlers(self) -> dict[Route, Handler]:
        """Return the handlers by route."""
        return {
            routes.VOLUME_SUMMARIES: self.volume_summaries,
            routes.UNFINISHED_PHOTOS: self.unfinished,
            routes.SHARD_DIGESTS: self.shard_digests,
            routes.LIST_SHARD: self.list_shard,
            routes.LIST_SHARDS: self.list_shards,
            routes.LIST_PHOTO: self.list_photo,
            routes.LIST_PHOTO_HINTS: self.list_photo_hints,
            routes.TOMBSTONE_DIGESTS: self.tombstone_digests,
            routes.TOMBSTONE_SHARDS: self.tombstone_shards,
            routes.TOMBSTONE_NAMES: self.tombstone_names,
            routes.LIFT_FENCES: self.lift_fences,
            routes.NOTE_LIFTING: self.note_lifting,
            routes.DROP_FENCE: self.drop_fence,
            routes.READ_MANY: self.read_many,
            routes.PULL_MANY: self.pull_many,
        }

    async def volume_summaries(self, _: web.Request, body: bytes) -> web.Response:
        """Return the digest and the size of volumes."""

        def row(volume: VolumeId) -> list[Any]:
            return volume_wire.render_summary(self._store.volume_summary(volume))

        return await self._rows(volume_wire.parse_volumes(body), row, first=self._store.look_again)

    async def unfinished(self, _: web.Request, body: bytes) -> web.Response:
        """Return the photos without sizes of volumes whose digests have changed."""
        known, rule = volume_wire.parse_known(body)

        def row(volume: VolumeId) -> list[Any]:
            found = self._store.unfinished(volume, rule)
            return volume_wire.render_unfinished(found, known_digest=known[volume])

        return await self._rows(known, row)

    async def _rows(
        self,
        volumes: Iterable[VolumeId],
        row: Callable[[VolumeId], Any],
        *,
        first: Callable[[], None] = lambda: None,
    ) -> web.Response:
        """Return a row for each volume that this node can list, or null if time was short."""
        started = time.monotonic()

        def rows() -> dict[VolumeId, Any]:
            found: dict[VolumeId, Any] = {}
            first()
            for volume in volumes:
                is_late = time.monotonic() - started > ROWS_SECONDS
                try:
                    found[volume] = None if found and is_late else row(volume)
                except StillListing:
                    found[volume] = None
                except NotAMirror:
                    continue
                except (NodeError, OSError) as error:
                    # Other volumes can be sound.
                    log.warning("volume %s cannot be listed: %s", volume, error)
            return found

        return web.json_response(await self._comparisons.run(rows))

    async def shard_digests(self, request: web.Request, _: bytes) -> web.Response:
        """Return the digest of every shard with files."""
        volume = parse_volume(request.match_info["volume"])
        sizes = wire.parse_size_filter(request.query_string)
        return web.json_response(
            await self._comparisons.run(self._store.shard_digests, volume, sizes)
        )

    async def list_shard(self, request: web.Request, _: bytes) -> web.Response:
        """Return the files of a shard."""
        volume = parse_volume(request.match_info["volume"])
        shard = volume_wire.parse_shard(request.match_info["shard"])
        files = await self._comparisons.run(self._store.list_shard, volume, shard)
        return web.json_response(wire.render_listing(files))

    async def list_shards(self, request: web.Request, body: bytes) -> web.Response:
        """Return the files of several shards."""
        shards = volume_wire.parse_shard_list(body)
        volume = parse_volume(request.match_info["volume"])
        listings = await self._comparisons.map(partial(self._store.list_shard, volume), shards)
        rows = [wire.render_listing(files) for files in listings]
        return web.json_response(dict(zip(shards, rows, strict=True)))

    async def list_photo(self, request: web.Request, _: bytes) -> web.Response:
        """Return the files of one photo."""
        volume = parse_volume(request.match_info["volume"])
        photo = parse_photo_id(request.match_info["photo"])
        files = await self._threads.run(self._store.list_photo, volume, photo)
        return web.json_response(wire.render_listing(files))

    async def list_photo_hints(self, request: web.Request, _: bytes) -> web.Response:
        """Return the hints of one photo."""
        volume = parse_volume(request.match_info["volume"])
        photo = parse_photo_id(request.match_info["photo"])
        hints = await self._threads.run(self._store.list_photo_hints, volume, photo)
        return web.json_response(wire.render_hints(hints))

    async def tombstone_digests(self, _: web.Request, body: bytes) -> web.Response:
        """Return one digest of all tombstones of each volume."""

        def row(volume: VolumeId) -> str:
            return volume_digest(self._store.tombstone_digests(volume))

        return await self._rows(volume_wire.parse_volumes(body), row)

    async def tombstone_shards(self, _: web.Request, body: bytes) -> web.Response:
        """Return the digest of the tombstones of every shard with any, of each volume."""
        return await self._rows(volume_wire.parse_volumes(body), self._store.tombstone_digests)

    async def tombstone_names(self, _: web.Request, body: bytes) -> web.Response:
        """Return the names of all tombstones of some shards of each volume."""
        shards = volume_wire.parse_shards(body)

        def row(volume: VolumeId) -> list[str]:
            return self._store.tombstones(volume, shards[volume])

        return await self._rows(shards, row)

    async def lift_fences(self, request: web.Request, body: bytes) -> web.Response:
        """Lift the fences of volumes, because all their tombstones are on this node."""
        serial = request.match_info["serial"]
        volumes = volume_wire.parse_volumes(body)
        return web.json_response(
            {"lifted": sum(self._fence.lift(volume, serial=serial) for volume in volumes)}
        )

    async def note_lifting(self, request: web.Request, _: bytes) -> web.Response:
        """Keep the fence up, because a storagemaster makes progress with it."""
        self._fence.note_progress(serial=request.match_info["serial"])
        return web.json_response({})

    async def drop_fence(self, _: web.Request, __: bytes) -> web.Response:
        """Drop the fence by an operator's decision."""
        return web.json_response({"fallen": self._fence.fall()})

    async def read_many(self, _: web.Request, body: bytes) -> web.Response:
        """Send the stored bytes of several files. The receiver verifies them."""
        outcomes = await self._threads.map(self._read, batch_wire.parse_places(body))
        return web.Response(body=batch_wire.render_reads(outcomes))

    async def pull_many(self, _: web.Request, body: bytes) -> web.Response:
        """Fetch several files from another node and publish them."""
        outcomes = await self._puller.pull_many(batch_wire.parse_pulls(body))
        return web.json_response(
            [batch_wire.render_failure(each) if each else None for each in outcomes]
        )

    def _read(self, place: Place) -> ReadOutcome:
        try:
            if place.hint_for is None:
                self._store.raise_if_deleted(place.file)
            with contextlib.closing(self._store.open(place.path)) as file:
                if file.stat.bytes > batch_wire.FILE_BYTES_MAX:
                    raise BadRequest(f"{place} is too large for a batch")
                data = b"".join(file.chunks(0, file.stat.bytes))
                return ReadFile(data, file.stat.mtime_seconds)
        except NodeError as error:
            return error
        except OSError as error:
            return NodeError(f"cannot read {place}: {error}")
