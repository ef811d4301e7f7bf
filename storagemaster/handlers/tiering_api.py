"""The routes of chilling: what there is to move, shard by shard, moving it, and thawing."""

from dataclasses import asdict
from typing import Any

from aiohttp import web

from storagemaster.errors import BadArgument
from storagemaster.tiering.plan import TieringPlan
from storagemaster.tiering.tiering import Tiering
from volumes.cluster import NodeId
from volumes.photo_path import SHARDS, VolumeId, parse_volume, render_path


class TieringApi:
    """Reads requests and writes responses; who may ask is settled before."""

    def __init__(self, tiering: Tiering) -> None:
        self._cold_tiers = tiering

    async def shards(self, request: web.Request) -> web.Response:
        """The shards that a chill would look into."""
        shards = await self._cold_tiers.shards(_volume(request), _cold_nodes(request))
        return web.json_response({"shards": shards})

    async def plan(self, request: web.Request) -> web.Response:
        """What a chill would do in one shard."""
        plan = await self._cold_tiers.plan(_volume(request), _shard(request), _cold_nodes(request))
        return web.json_response(plan_document(plan))

    async def begin(self, request: web.Request) -> web.Response:
        """Note on every mirror that the volume is chilled."""
        cold_tier = await self._cold_tiers.begin(_volume(request), _cold_nodes(request))
        return web.json_response(asdict(cold_tier))

    async def move(self, request: web.Request) -> web.Response:
        """Move what a shard has."""
        report = await self._cold_tiers.move(_volume(request), _shard(request))
        return web.json_response(asdict(report))

    async def recall(self, request: web.Request) -> web.Response:
        """Note on every mirror that all of them keep everything."""
        await self._cold_tiers.recall(_volume(request))
        return web.json_response({})


def plan_document(plan: TieringPlan) -> dict[str, Any]:
    """What would be moved, in numbers, and what stays and why."""
    return {
        "files": len(plan.moves),
        "bytes": sum(move.size_bytes for move in plan.moves),
        "copy_bytes": sum(move.size_bytes * len(move.copy_to) for move in plan.moves),
        "freed_bytes": sum(move.size_bytes * len(move.drop_from) for move in plan.moves),
        "skipped": {render_path(stay.file): stay.reason for stay in plan.skipped},
    }


def _volume(request: web.Request) -> VolumeId:
    return parse_volume(request.match_info["volume"])


def _shard(request: web.Request) -> str:
    shard = request.match_info["shard"]
    if shard not in SHARDS:
        raise BadArgument(f"{shard!r} is no shard")
    return shard


def _cold_nodes(request: web.Request) -> list[NodeId]:
    return [NodeId(name) for name in request.query.getall("to", [])]
