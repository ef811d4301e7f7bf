"""Purges of photo paths from the edges. A purge is idempotent."""

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence

import aiohttp

from runtime.lag_free_timeout import lag_free_timeout
from runtime.request_scope import forwarded_headers
from volumes.cluster import Edge

log = logging.getLogger(__name__)

RESPONSE_SECONDS = 0.8
PATHS_PER_REQUEST = 100
# Longer than any fetch by an edge.
REPEAT_AFTER_SECONDS = 20.0
REPEAT_PASS_SECONDS = 2.0
REPEATS_MAX = 100_000
# An edge that has missed more drops its whole cache.
MISSED_MAX = 10_000


class EdgePurger:
    """The purges of the edges of a cluster, and their repetitions."""

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
        self._missed: defaultdict[str, dict[tuple[str, ...], None]] = defaultdict(dict)
        self._overflowed: set[str] = set()
        self._repeats: deque[tuple[float, Sequence[str]]] = deque(maxlen=REPEATS_MAX)

    async def purge(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Purge these photo paths from every edge, and return the edges that succeeded.

        `repeat_due` repeats the purge later, whatever its result.
        """
        self._repeats.append((self._clock() + REPEAT_AFTER_SECONDS, paths))
        return await self._purge_all(paths)

    async def repeat_due(self) -> None:
        """Repeat the purges that are due.

        An edge can cache the response to a fetch after the first purge, if the fetch started before
        the tombstone was written.
        """
        while self._repeats and self._repeats[0][0] <= self._clock():
            _, paths = self._repeats.popleft()
            await self._purge_all(paths)

    async def repeat_all(self) -> None:
        """Repeat every purge that is not due yet, because this process ends."""
        while self._repeats:
            await self._purge_all(self._repeats.popleft()[1])

    async def repeat_missed(self) -> None:
        """Repeat the purges that edges have missed, as far as the edges respond."""
        for id_, missed in list(self._missed.items()):
            for paths in tuple(missed):
                if not await self.purge_late(id_, paths):
                    break

    def has_missed(self) -> bool:
        """Return True if an edge has missed a purge."""
        return bool(self._overflowed) or any(self._missed.values())

    def take_overflowed(self) -> set[str]:
        """Return the edges that have missed more purges than are remembered, once."""
        taken, self._overflowed = self._overflowed, set()
        return taken

    async def _purge_all(self, paths: Sequence[str]) -> tuple[str, ...]:
        purged: set[str] = set()
        for ids in group_by_tier(self._edges):
            done = await asyncio.gather(*(self.purge_edge(id_, paths) for id_ in ids))
            purged |= {id_ for id_, was_done in zip(ids, done, strict=True) if was_done}
        return tuple(id_ for id_ in self._edges if id_ in purged)

    async def purge_late(self, id_: str, paths: Sequence[str]) -> bool:
        """Purge photo paths that an edge has missed, and return True if it succeeded.

        An nginx can have copied them from a Varnish meanwhile, and is purged again.
        """
        if not await self.purge_edge(id_, paths):
            return False
        varnishes, nginxes = group_by_tier(self._edges)
        if id_ in varnishes:
            await asyncio.gather(*(self.purge_edge(each, paths) for each in nginxes))
        return True

    async def purge_edge(self, id_: str, paths: Sequence[str]) -> bool:
        """Purge these photo paths from one edge, and return True if it succeeded."""
        edge = self._edges.get(id_)
        if edge is None:
            # The map has no such edge any more.
            self._missed.pop(id_, None)
            return True
        send = self._nginx if edge.kind == "nginx" else self._varnish
        try:
            async with lag_free_timeout(RESPONSE_SECONDS):
                for start in range(0, len(paths), PATHS_PER_REQUEST):
                    await send(edge, paths[start : start + PATHS_PER_REQUEST])
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("edge %s was not purged: %s", id_, str(error) or type(error).__name__)
            self._remember_missed(id_, tuple(paths))
            return False
        self._missed[id_].pop(tuple(paths), None)
        return True

    def _remember_missed(self, id_: str, paths: tuple[str, ...]) -> None:
        missed = self._missed[id_]
        missed[paths] = None
        if len(missed) > MISSED_MAX:
            missed.clear()
            self._overflowed.add(id_)

    async def _nginx(self, edge: Edge, paths: Sequence[str]) -> None:
        body = "".join(f"{path}\n" for path in paths)
        url, headers = f"http://{edge.purge}/purge", forwarded_headers()
        async with self._session.post(url, data=body, headers=headers) as response:
            response.raise_for_status()

    async def _varnish(self, edge: Edge, paths: Sequence[str]) -> None:
        headers = forwarded_headers()

        async def one(path: str) -> None:
            url = f"http://{edge.purge}/{path}"
            async with self._session.request("PURGE", url, headers=headers) as response:
                response.raise_for_status()

        try:
            async with asyncio.TaskGroup() as purges:
                for path in paths:
                    purges.create_task(one(path))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors


def group_by_tier(edges: Mapping[str, Edge]) -> tuple[list[str], list[str]]:
    """Return the Varnish edges and the nginx edges, which can fetch from a Varnish."""
    varnishes = [id_ for id_, edge in edges.items() if edge.kind == "varnish"]
    return varnishes, [id_ for id_ in edges if id_ not in varnishes]
