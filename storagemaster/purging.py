"""Having the edges forget photos: a fixed list of paths each, asked again until they answer."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

import aiohttp

from volumes.cluster import Edge

log = logging.getLogger(__name__)

ANSWER_SECONDS = 0.8
RETRY_SECONDS = 2.0
# An edge that is down for long is emptied when it starts; its list need not grow for ever.
OWED_PATHS_MAX = 1_000_000
PATHS_PER_REQUEST = 100


class Purging:
    """Purges all edges of a cluster."""

    def __init__(self, edges: Mapping[str, Edge], session: aiohttp.ClientSession) -> None:
        self._edges = edges
        self._session = session
        self._owed: dict[str, set[str]] = {id_: set() for id_ in edges}

    @property
    def owed(self) -> dict[str, int]:
        """How many paths each edge has still to forget."""
        return {id_: len(paths) for id_, paths in self._owed.items()}

    async def purge(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Have every edge forget these photo paths; the ids of the edges that have."""
        for owed in self._owed.values():
            owed.update(paths[: OWED_PATHS_MAX - len(owed)])
        ids = list(self._edges)
        done = await asyncio.gather(*(self._purge_edge(id_, list(paths)) for id_ in ids))
        return tuple(id_ for id_, was_done in zip(ids, done, strict=True) if was_done)

    async def retry(self) -> None:
        """Ask every edge once more for what it owes."""
        for id_, owed in self._owed.items():
            if owed:
                await self._purge_edge(id_, list(owed))

    async def _purge_edge(self, id_: str, paths: list[str]) -> bool:
        edge = self._edges[id_]
        for start in range(0, len(paths), PATHS_PER_REQUEST):
            some = paths[start : start + PATHS_PER_REQUEST]
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await (
                        self._nginx(edge, some)
                        if edge.kind == "nginx"
                        else self._varnish(edge, some)
                    )
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                log.warning("edge %s was not purged: %s", id_, error or type(error).__name__)
                return False
            self._owed[id_].difference_update(some)
        return True

    async def _nginx(self, edge: Edge, paths: list[str]) -> None:
        body = "".join(f"{path}\n" for path in paths)
        async with self._session.post(f"http://{edge.purge}/purge", data=body) as response:
            response.raise_for_status()

    async def _varnish(self, edge: Edge, paths: list[str]) -> None:
        async def one(path: str) -> None:
            url = f"http://{edge.purge}/{path}"
            async with self._session.request("PURGE", url) as response:
                response.raise_for_status()

        await asyncio.gather(*(one(path) for path in paths))
