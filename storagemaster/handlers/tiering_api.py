"""Tiering routes: the files to offload, shard by shard, offloading them, and recalling them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from storagemaster import wire
from storagemaster.admission.authorization import Handler
from storagemaster.admission.path_fields import shard_in, volume_in
from storagemaster.tiering.plan import TieringPlan
from storagemaster.tiering.tiering import Tiering
from volumes.cluster import NodeId
from volumes.photo_path import render_path


class TieringApi:
    """Handlers of the tiering routes."""

    def __init__(self, tiering: Tiering) -> None:
        self._tiering = tiering
        self.handlers: Mapping[wire.Route, Handler] = {
            wire.TIERING_SHARDS: self.shards,
            wire.TIERING_PLAN: self.plan,
            wire.OFFLOAD: self.begin,
            wire.OFFLOAD_SHARD: self.move,
            wire.RECALL: self.recall,
        }

    async def shards(self, request: web.Request) -> web.Response:
        """Return the shards that have files to offload."""
        shards = await self._tiering.shards(volume_in(request), _cold_nodes(request))
        return web.json_response({"shards": shards})

    async def plan(self, request: web.Request) -> web.Response:
        """Return what offloading one shard would move."""
        plan = await self._tiering.plan(volume_in(request), shard_in(request), _cold_nodes(request))
        return web.json_response(plan_document(plan))

    async def begin(self, request: web.Request) -> web.Response:
        """Record the volume's cold tier on every mirror."""
        cold_tier = await self._tiering.begin(volume_in(request), _cold_nodes(request))
        return web.json_response(asdict(cold_tier))

    async def move(self, request: web.Request) -> web.Response:
        """Offload one shard."""
        report = await self._tiering.move(volume_in(request), shard_in(request))
        return web.json_response(asdict(report))

    async def recall(self, request: web.Request) -> web.Response:
        """Remove the volume's cold tier from every mirror."""
        await self._tiering.recall(volume_in(request))
        return web.json_response({})


def plan_document(plan: TieringPlan) -> dict[str, Any]:
    """Return the number and bytes of the files to move, and the skipped files with reasons."""
    return {
        "files": len(plan.moves),
        "bytes": sum(move.size_bytes for move in plan.moves),
        "copy_bytes": sum(move.size_bytes * len(move.copy_to) for move in plan.moves),
        "freed_bytes": sum(move.size_bytes * len(move.drop_from) for move in plan.moves),
        "skipped": {render_path(stay.file): stay.reason for stay in plan.skipped},
    }


def _cold_nodes(request: web.Request) -> list[NodeId]:
    return [NodeId(name) for name in request.query.getall("to", [])]
