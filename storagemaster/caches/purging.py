"""Having the edges forget photos: a fixed list of paths, to be sent as often as one likes."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import aiohttp

from volumes.cluster import Edge

log = logging.getLogger(__name__)

ANSWER_SECONDS = 0.8
PATHS_PER_REQUEST = 100
# Longer than any fetch by an edge may take.
REPEAT_AFTER_SECONDS = 20.0
AGAIN_PASS_SECONDS = 2.0
AGAIN_MAX = 100_000


class EdgePurger:
    """Purges the edges of a cluster."""

    def __init__(
        self,
        edges: Mapping[str, Edge],
        session: aiohttp.ClientSession,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._edges = edges
        self._session = session
        self._clock = clock
        self._again: deque[tuple[float, Sequence[str]]] = deque(maxlen=AGAIN_MAX)

    async def purge(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Have every edge forget these photo paths, now and once more; the edges that have."""
        self._again.append((self._clock() + REPEAT_AFTER_SECONDS, paths))
        return await self._purge_all(paths)

    async def repeat_due(self) -> None:
        """Repeat the purges whose time has come.

        A fetch that an edge had begun before the tombstone was there may have ended, and been
        kept, after the first purge.
        """
        while self._again and self._again[0][0] <= self._clock():
            _, paths = self._again.popleft()
            await self._purge_all(paths)

    async def _purge_all(self, paths: Sequence[str]) -> tuple[str, ...]:
        ids = list(self._edges)
        done = await asyncio.gather(*(self.purge_edge(id_, paths) for id_ in ids))
        return tuple(id_ for id_, was_done in zip(ids, done, strict=True) if was_done)

    async def purge_edge(self, id_: str, paths: Sequence[str]) -> bool:
        """Have one edge forget these photo paths; whether it has."""
        edge = self._edges[id_]
        send = self._nginx if edge.kind == "nginx" else self._varnish
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                for start in range(0, len(paths), PATHS_PER_REQUEST):
                    await send(edge, paths[start : start + PATHS_PER_REQUEST])
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("edge %s was not purged: %s", id_, str(error) or type(error).__name__)
            return False
        return True

    async def _nginx(self, edge: Edge, paths: Sequence[str]) -> None:
        body = "".join(f"{path}\n" for path in paths)
        async with self._session.post(f"http://{edge.purge}/purge", data=body) as response:
            response.raise_for_status()

    async def _varnish(self, edge: Edge, paths: Sequence[str]) -> None:
        async def one(path: str) -> None:
            url = f"http://{edge.purge}/{path}"
            async with self._session.request("PURGE", url) as response:
                response.raise_for_status()

        try:
            async with asyncio.TaskGroup() as purges:
                for path in paths:
                    purges.create_task(one(path))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
