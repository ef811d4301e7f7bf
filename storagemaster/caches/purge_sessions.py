"""Purge sessions: an edge that can have missed a purge drops its whole cache.

A storagemaster remembers the purges that an edge has missed, but only until its process ends, and
hints of them can be lost. Each edge therefore stores a mark for each storagemaster: the boot of its
process, or `clean` after a process that ended with no purge missed. A process that finds another
mark, or none, makes the edge drop its cache. A restart needs no list of tombstones for that.
"""

import asyncio
import logging
from collections.abc import Mapping

import aiohttp

from runtime.lag_free_timeout import lag_free_timeout
from storagemaster.caches.purging import RESPONSE_SECONDS, EdgePurger, group_by_tier
from volumes.cluster import Edge

log = logging.getLogger(__name__)

PASS_SECONDS = 1.0
END_SECONDS_MAX = 2.0
CLEAN = "clean"
DROPPING = "dropping"


class PurgeSessions:
    """The sessions of one process of a storagemaster with the edges of its cluster."""

    def __init__(
        self,
        edges: Mapping[str, Edge],
        session: aiohttp.ClientSession,
        purging: EdgePurger,
        *,
        master: str,
        boot: str,
    ) -> None:
        self._edges = edges
        self._session = session
        self._purging = purging
        self._master = master
        self._boot = boot
        self._begun: set[str] = set()
        self._must_drop: set[str] = set()

    async def settle(self) -> None:
        """Begin the sessions that have not begun, and repeat the purges that edges have missed."""
        self._distrust(self._purging.take_overflowed())
        varnishes, nginxes = group_by_tier(self._edges)
        if await self._begin_all(varnishes):
            # An nginx can have copied photos from a Varnish before that dropped its cache.
            self._distrust(self._begun & set(nginxes))
        await self._begin_all(nginxes)
        await self._purging.repeat_missed()

    async def end(self) -> None:
        """Mark all edges as clean if this process leaves no purge to be repeated."""
        try:
            async with asyncio.timeout(END_SECONDS_MAX):
                await self._purging.repeat_all()
                if self._begun == set(self._edges) and not self._purging.has_missed():
                    await asyncio.gather(*(self._put_mark(id_, CLEAN) for id_ in self._edges))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("edges were not marked as clean: %s", str(error) or type(error).__name__)

    def _distrust(self, ids: set[str]) -> None:
        self._begun -= ids
        self._must_drop |= ids

    async def _begin_all(self, ids: list[str]) -> bool:
        """Begin the sessions with these edges; return True if one of them dropped its cache."""
        waiting = [id_ for id_ in ids if id_ not in self._begun]
        return any(await asyncio.gather(*(self._try_to_begin(id_) for id_ in waiting)))

    async def _try_to_begin(self, id_: str) -> bool:
        """Begin the session if the edge is up; return True if the edge dropped its cache."""
        try:
            async with lag_free_timeout(RESPONSE_SECONDS):
                mark = await self._request("GET", id_, f"sessions/{self._master}")
                has_to_drop = id_ in self._must_drop or mark not in {CLEAN, self._boot}
                if has_to_drop:
                    # First, so that an edge that cannot store marks drops nothing again and again.
                    await self._put_mark(id_, DROPPING)
                    await self._request("POST", id_, "drop")
                    log.warning("edge %s dropped its cache: it can have missed purges", id_)
                await self._put_mark(id_, self._boot)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.debug("the purge session of edge %s has not begun: %s", id_, error)
            return False
        self._begun.add(id_)
        self._must_drop.discard(id_)
        return has_to_drop

    async def _put_mark(self, id_: str, mark: str) -> None:
        await self._request("PUT", id_, f"sessions/{self._master}/{mark}")

    async def _request(self, method: str, id_: str, path: str) -> str:
        url = f"http://{self._edges[id_].purge}/{path}"
        async with self._session.request(method, url) as response:
            if method == "GET" and response.status == 404:
                return ""
            response.raise_for_status()
            return await response.text()
