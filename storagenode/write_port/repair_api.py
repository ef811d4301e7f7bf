"""The routes of the write port that repair asks: what is in a volume, and many files at once."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from aiohttp import web

from storagenode.protocol import batch_wire, wire
from storagenode.protocol.batch_wire import Outcome, ReadFile
from storagenode.protocol.errors import BadRequest, NodeError
from storagenode.protocol.layout import Place
from storagenode.store import Store
from storagenode.upkeep.fence import Fence
from storagenode.write_port.pulling import Puller
from volumes.photo_id import parse_photo_id
from volumes.photo_path import SHARDS, parse_volume

T = TypeVar("T")
R = TypeVar("R")

SignedBody = Callable[[web.Request], Awaitable[bytes]]
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]


class RepairApi:
    """Answers storagemasters that compare mirrors, and nodes that fetch from this one."""

    def __init__(
        self,
        store: Store,
        puller: Puller,
        fence: Fence,
        *,
        signed_body: SignedBody,
        in_thread: InThread,
    ) -> None:
        self._store = store
        self._puller = puller
        self._fence = fence
        self._signed_body = signed_body
        self._in_thread = in_thread

    def routes(self) -> list[web.RouteDef]:
        """What is answered here."""
        return [
            web.get(wire.SHARDS_ROUTE, self.shard_digests),
            web.get(wire.SHARD_ROUTE, self.list_shard),
            web.post(batch_wire.LISTINGS_ROUTE, self.list_shards),
            web.get(wire.PHOTO_ROUTE, self.list_photo),
            web.get(wire.TOMBSTONES_ROUTE, self.tombstones),
            web.delete(wire.FENCE_ROUTE, self.lift_fence),
            web.post(batch_wire.READS_ROUTE, self.read_many),
            web.post(batch_wire.PULLS_ROUTE, self.pull_many),
        ]

    async def shard_digests(self, request: web.Request) -> web.Response:
        """A digest of every shard that has files."""
        await self._signed_body(request)
        volume = parse_volume(request.match_info["volume"])
        part = wire.parse_size_filter(request.query_string)
        return web.json_response(
            await self._in_thread(partial(self._store.shard_digests, volume, part))
        )

    async def list_shard(self, request: web.Request) -> web.Response:
        """The files of a shard."""
        await self._signed_body(request)
        volume = parse_volume(request.match_info["volume"])
        shard = _shard(request.match_info["shard"])
        files = await self._in_thread(partial(self._store.list_shard, volume, shard))
        return web.json_response(wire.render_listing(files))

    async def list_shards(self, request: web.Request) -> web.Response:
        """The files of several shards."""
        try:
            shards = [_shard(each) for each in json.loads(await self._signed_body(request))]
        except (ValueError, TypeError) as error:
            raise BadRequest(f"not a list of shards: {error}") from error
        volume = parse_volume(request.match_info["volume"])
        listings = await self._of_each(partial(self._store.list_shard, volume), shards)
        rows = [wire.render_listing(files) for files in listings]
        return web.json_response(dict(zip(shards, rows, strict=True)))

    async def list_photo(self, request: web.Request) -> web.Response:
        """The files of one photo."""
        await self._signed_body(request)
        volume = parse_volume(request.match_info["volume"])
        photo = parse_photo_id(request.match_info["photo"])
        files = await self._in_thread(partial(self._store.list_photo, volume, photo))
        return web.json_response(wire.render_listing(files))

    async def tombstones(self, request: web.Request) -> web.Response:
        """The names of all tombstones of a volume."""
        await self._signed_body(request)
        volume = parse_volume(request.match_info["volume"])
        return web.json_response(await self._in_thread(partial(self._store.tombstones, volume)))

    async def lift_fence(self, request: web.Request) -> web.Response:
        """Send a volume's photos again: its tombstones are all here."""
        await self._signed_body(request)
        volume = parse_volume(request.match_info["volume"])
        serial = request.match_info["serial"]
        return web.json_response({"lifted": self._fence.lift(volume, serial=serial)})

    async def read_many(self, request: web.Request) -> web.Response:
        """The bytes of several files, as they are on the disk; the receiver verifies them."""
        places = batch_wire.parse_places(await self._signed_body(request))
        outcomes = await self._of_each(self._read, places)
        return web.Response(body=batch_wire.render_batch(outcomes))

    async def pull_many(self, request: web.Request) -> web.Response:
        """Fetch several files from another node and publish them."""
        pulls = batch_wire.parse_pulls(await self._signed_body(request))
        outcomes = await self._puller.pull_many(pulls)
        return web.json_response(
            [batch_wire.render_refusal(each) if each else None for each in outcomes]
        )

    async def _of_each(self, work: Callable[[T], R], these: Sequence[T]) -> list[R]:
        if self._store.is_local:
            found: list[R] = await self._in_thread(lambda: [work(each) for each in these])
            return found
        # Each waits for a network.
        return await asyncio.gather(*(self._in_thread(partial(work, each)) for each in these))

    def _read(self, place: Place) -> Outcome:
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
            return NodeError(f"{place} could not be read: {error}")


def _shard(text: str) -> str:
    if text not in SHARDS:
        raise BadRequest(f"{text!r} is not a shard")
    return text
