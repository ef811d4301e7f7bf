"""Chilling volumes: what there is to move, shard by shard, moving it, and thawing."""

from collections.abc import Iterable
from typing import Any

from glassplate.session.exchange import Request
from glassplate.session.masters import Masters
from storagemaster import wire

# A shard of large photos is copied, read back and removed before there is an answer.
MOVE_SECONDS_MAX = 24 * 3600.0


class Tiering:
    """What an open client asks of storagemasters to chill a volume; of scope admin."""

    def __init__(self, masters: Masters) -> None:
        self._masters = masters

    async def shards(self, volume: int, cold_nodes: Iterable[str]) -> list[str]:
        """The shards that a chill to these nodes would look into.

        Raises:
            NotFound: There is no such volume.
            BadRequest: It cannot be chilled so; the message says why.
        """
        document = await self._ask(wire.TIERING_SHARDS, cold_nodes, volume=volume)
        return [str(shard) for shard in document["shards"]]

    async def plan(self, volume: int, shard: str, cold_nodes: Iterable[str]) -> dict[str, Any]:
        """What would be moved in one shard: `files`, `bytes`, `copy_bytes`, `freed_bytes`.

        `stays` has the files that stay where they are for now, and why.
        """
        return await self._ask(wire.TIERING_PLAN, cold_nodes, volume=volume, shard=shard)

    async def begin(self, volume: int, cold_nodes: Iterable[str]) -> dict[str, Any]:
        """Have the large sizes of a volume kept by these of its mirrors alone from now on."""
        return await self._ask(wire.OFFLOAD, cold_nodes, volume=volume)

    async def move(self, volume: int, shard: str) -> dict[str, Any]:
        """Move the large sizes of one shard: `moved`, `moved_bytes`, and what `stays` and why.

        Each file is copied, read back, and only then removed elsewhere. Doing it again is harmless.
        """
        return await self._ask(wire.OFFLOAD_SHARD, volume=volume, shard=shard)

    async def plan_recall(self, volume: int) -> dict[str, Any]:
        """What a thaw would copy back; a document as of `Client.diff`."""
        return await self._ask(wire.DIFF, after_recall=True, volume=volume)

    async def recall(self, volume: int) -> None:
        """Have every mirror keep everything again; a repair copies it back at once."""
        await self._ask(wire.RECALL, volume=volume)

    async def _ask(
        self,
        route: wire.Route,
        cold_nodes: Iterable[str] = (),
        *,
        after_recall: bool = False,
        **fields: object,
    ) -> dict[str, Any]:
        query = [("to", node) for node in cold_nodes]
        query += [("after_recall", "1")] if after_recall else []
        request = Request(
            route=route, fields=fields, query=query, answer_seconds_min=MOVE_SECONDS_MAX
        )
        answer = await self._masters.ask(request)
        document: dict[str, Any] = answer.document()
        return document
