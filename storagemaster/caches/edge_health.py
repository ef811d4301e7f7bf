"""Health of the edges, for the status document only."""

import asyncio
from collections.abc import Mapping

import aiohttp

from volumes.cluster import Edge

POLL_SECONDS = 5.0
RESPONSE_SECONDS = 1.0


class EdgeHealth:
    """The result of the last health check of every edge."""

    def __init__(self, edges: Mapping[str, Edge], session: aiohttp.ClientSession) -> None:
        self._edges = edges
        self._session = session
        self._up: dict[str, bool] = dict.fromkeys(edges, False)

    def is_up(self, id_: str) -> bool:
        """Return True if the last health check of the edge succeeded."""
        return self._up[id_]

    async def poll(self) -> None:
        """Check all edges concurrently."""
        await asyncio.gather(*(self._poll_one(id_) for id_ in self._edges))

    async def _poll_one(self, id_: str) -> None:
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                url = f"http://{self._edges[id_].listen}/healthz"
                async with self._session.get(url) as response:
                    self._up[id_] = response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._up[id_] = False
