"""Whether the edges answer, for the status document. Nothing is decided by it."""

import asyncio
from collections.abc import Mapping

import aiohttp

from volumes.cluster import Edge

POLL_SECONDS = 5.0
ANSWER_SECONDS = 1.0


class EdgeHealth:
    """Asks every edge what a balancer asks, and remembers who answered."""

    def __init__(self, edges: Mapping[str, Edge], session: aiohttp.ClientSession) -> None:
        self._edges = edges
        self._session = session
        self._up: dict[str, bool] = dict.fromkeys(edges, False)

    def is_up(self, id_: str) -> bool:
        """Whether the edge answered when it was last asked."""
        return self._up[id_]

    async def poll(self) -> None:
        """Ask all edges at once."""
        await asyncio.gather(*(self._poll_one(id_) for id_ in self._edges))

    async def _poll_one(self, id_: str) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                async with self._session.get(f"http://{self._edges[id_].listen}/healthz") as answer:
                    self._up[id_] = answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._up[id_] = False
