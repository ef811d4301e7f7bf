"""Tiering of volumes: the plan, the move of each shard, and the recall."""

from collections.abc import Iterable
from typing import Any

from glassplate.session.cluster_session import ClusterSession
from storagemaster import wire

# A storagemaster copies, reads back, and removes a whole shard before it responds.
MOVE_SECONDS_MAX = 24 * 3600.0


class Tiering:
    """Tiering requests of an open client. They require scope admin."""

    def __init__(self, session: ClusterSession) -> None:
        self._session = session

    async def shards(self, volume: int, cold_nodes: Iterable[str]) -> list[str]:
        """Return the shards that an offload to these nodes would process.

        Raises:
            NotFound: The volume does not exist.
            Refused: The nodes cannot be the volume's cold tier.
        """
        document = await self._request(wire.TIERING_SHARDS, cold_nodes, volume=volume)
        return [str(shard) for shard in document["shards"]]

    async def plan(self, volume: int, shard: str, cold_nodes: Iterable[str]) -> dict[str, Any]:
        """Return what an offload would move in one shard.

        The document has `files`, `bytes`, `copy_bytes`, `freed_bytes`, and `skipped`: the reasons
        by path.
        """
        return await self._request(wire.TIERING_PLAN, cold_nodes, volume=volume, shard=shard)

    async def begin(self, volume: int, cold_nodes: Iterable[str]) -> dict[str, Any]:
        """Make these mirrors the volume's cold tier, which alone keeps the large sizes."""
        return await self._request(wire.OFFLOAD, cold_nodes, volume=volume)

    async def move(self, volume: int, shard: str) -> dict[str, Any]:
        """Move the large sizes of one shard. It is safe to repeat.

        Each file is copied, read back, and only then removed from the other mirrors. The document
        has `moved`, `moved_bytes`, and `skipped`: the reasons by path.
        """
        return await self._request(wire.OFFLOAD_SHARD, volume=volume, shard=shard)

    async def plan_recall(self, volume: int) -> dict[str, Any]:
        """Return what a recall would copy back, as a document of `Client.diff`."""
        return await self._session.request(
            wire.DIFF,
            dict,
            {"volume": volume},
            [("after_recall", "1")],
            response_seconds_min=MOVE_SECONDS_MAX,
        )

    async def recall(self, volume: int) -> None:
        """End the cold tier, so that every mirror stores all sizes. A repair copies them back."""
        await self._request(wire.RECALL, volume=volume)

    async def _request(
        self, route: wire.Route, cold_nodes: Iterable[str] = (), **fields: object
    ) -> dict[str, Any]:
        query = [("to", node) for node in cold_nodes]
        return await self._session.request(
            route, dict, fields, query, response_seconds_min=MOVE_SECONDS_MAX
        )
