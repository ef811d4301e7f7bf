"""Chilling volumes: what there is to move, shard by shard, moving it, and thawing."""

from collections.abc import Iterable
from typing import Any

from glassplate.session.exchange import Request
from glassplate.session.masters import Masters
from permission_urls import Scope
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
        document = await self._ask("GET", wire.tiering_path(volume, cold_nodes=cold_nodes))
        return [str(shard) for shard in document["shards"]]

    async def plan(self, volume: int, shard: str, cold_nodes: Iterable[str]) -> dict[str, Any]:
        """What would be moved in one shard: `files`, `bytes`, `copy_bytes`, `freed_bytes`.

        `stays` has the files that stay where they are for now, and why.
        """
        return await self._ask("GET", wire.tiering_path(volume, shard, cold_nodes=cold_nodes))

    async def begin(self, volume: int, cold_nodes: Iterable[str]) -> dict[str, Any]:
        """Have the large sizes of a volume kept by these of its mirrors alone from now on."""
        return await self._ask("POST", wire.tiering_path(volume, cold_nodes=cold_nodes))

    async def move(self, volume: int, shard: str) -> dict[str, Any]:
        """Move the large sizes of one shard: `moved`, `moved_bytes`, and what `stays` and why.

        Each file is copied, read back, and only then removed elsewhere. Doing it again is harmless.
        """
        return await self._ask("POST", wire.tiering_path(volume, shard))

    async def plan_recall(self, volume: int) -> dict[str, Any]:
        """What a thaw would copy back; a document as of `Client.diff`."""
        return await self._ask("GET", wire.repair_path(volume) + "?thawed=1")

    async def recall(self, volume: int) -> None:
        """Have every mirror keep everything again; a repair copies it back at once."""
        await self._ask("DELETE", wire.tiering_path(volume))

    async def _ask(self, method: str, path: str) -> dict[str, Any]:
        request = Request(method=method, path=path, answer_seconds_min=MOVE_SECONDS_MAX)
        answer = await self._masters.ask(request, Scope.ADMIN)
        document: dict[str, Any] = answer.document()
        return document
