"""The load of a drill: uploads, reads through edges, deletes, and revocations."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from drill.cluster.drill_cluster import DrillCluster
from drill.history import Operation, Outcome
from drill.load.recorded_requests import (
    Endpoint,
    record_delete,
    record_get,
    record_put,
    record_revoke,
    record_sizes,
)
from drill.load.sample_uploads import make_originals, make_unique
from runtime.tasks_beside import run_beside

PUT_TRIES = 4
PUT_PAUSE_SECONDS = 0.4
GET_SECONDS_MAX = 4.0
AT_ONCE_MAX = 48
FORGED_MAC = "A" * 24
FORGED_SHARE = 0.04
REMOVED_SHARE = 0.1
SEEDED_PHOTOS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Operations per second, and whether deletes take the newest photos."""

    uploads: float = 3.0
    reads: float = 25.0
    deletes: float = 0.5
    revokes: float = 0.2
    deletes_newest: bool = False


class Load:
    """The clients of one drill. The seed determines the operations, but not their timing."""

    def __init__(self, drill_cluster: DrillCluster, pace: Pace, *, seed: int) -> None:
        self._drill_cluster = drill_cluster
        self._pace = pace
        self._rng = random.Random(seed)  # noqa: S311  # a reproducible load
        self._originals = make_originals(seed)
        self._numbers = itertools.count()
        self._live: list[Operation] = []
        """Uploads whose photos no client has removed."""
        self._removed: list[str] = []
        self._pending: list[Operation] = []
        self._gate = asyncio.Semaphore(AT_ONCE_MAX)
        self._busy: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the load until the block exits, then wait for the operations in flight."""
        timeout = aiohttp.ClientTimeout(total=GET_SECONDS_MAX)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            self._session = session
            await asyncio.gather(*(self._upload() for _ in range(SEEDED_PHOTOS)))
            works = (
                (self._upload, self._pace.uploads),
                (self._read, self._pace.reads),
                (self._delete, self._pace.deletes),
                (self._revoke, self._pace.revokes),
                (self._check_sizes, self._pace.uploads),
            )
            try:
                async with run_beside(*(self._repeat(*work) for work in works if work[1])):
                    yield
            finally:
                await asyncio.gather(*self._busy)

    async def _repeat(self, work: Callable[[], Awaitable[None]], per_second: float) -> None:
        while True:
            await asyncio.sleep(self._rng.expovariate(per_second))
            task = asyncio.create_task(self._at_most(work))
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)

    async def _at_most(self, work: Callable[[], Awaitable[None]]) -> None:
        async with self._gate:
            await work()

    async def _upload(self) -> None:
        number = next(self._numbers)
        key = f"drill-{number}"
        data = make_unique(self._rng.choice(self._originals), key)
        for turn in range(PUT_TRIES):
            put = await record_put(self._drill_cluster, self._master(number + turn), key, data)
            if put.outcome is Outcome.OK:
                self._live.append(put)
                self._pending.append(put)
            if put.outcome is not Outcome.INFO:
                return
            await asyncio.sleep(PUT_PAUSE_SECONDS * (turn + 1))

    async def _check_sizes(self) -> None:
        if not self._pending:
            return
        put = self._pending.pop(0)
        if not await record_sizes(self._drill_cluster, self._master(), put) and put in self._live:
            self._pending.append(put)

    async def _read(self) -> None:
        path = self._path_to_read()
        if path is None:
            return
        url, is_forged = self._drill_cluster.urls[path], self._rng.random() < FORGED_SHARE
        if is_forged:
            stem, key, expiry, _mac, ext = url.rsplit(".", 4)
            url = f"{stem}.{key}.{expiry}.{FORGED_MAC}.{ext}"
        edge = self._rng.choice(list(self._drill_cluster.edges))
        await record_get(
            self._drill_cluster, self._session, edge, path=path, url=url, permitted=not is_forged
        )

    def _path_to_read(self) -> str | None:
        if self._removed and self._rng.random() < REMOVED_SHARE:
            return self._rng.choice(self._removed)
        if not self._live:
            return None
        put = self._rng.choice(self._live)
        stem = put.path.rpartition("_")[0]
        sizes = [path for path in self._drill_cluster.urls if path.startswith(stem)]
        return self._rng.choice(sizes)

    async def _delete(self) -> None:
        if put := self._take():
            self._forget(put)
            await record_delete(self._drill_cluster, self._master(), put)

    async def _revoke(self) -> None:
        if put := self._take():
            self._forget(put)
            await record_revoke(self._drill_cluster, self._master(), put)

    def _take(self) -> Operation | None:
        """Take a photo to remove, so that no other operation uses it; None if too few are left."""
        if len(self._live) <= SEEDED_PHOTOS // 2:
            return None
        at = -1 if self._pace.deletes_newest else self._rng.randrange(len(self._live))
        return self._live.pop(at)

    def _forget(self, put: Operation) -> None:
        stem = put.path.rpartition("_")[0]
        self._removed += [path for path in self._drill_cluster.urls if path.startswith(stem)]

    def _master(self, number: int | None = None) -> Endpoint:
        masters = list(self._drill_cluster.clients.items())
        return masters[
            self._rng.randrange(len(masters)) if number is None else number % len(masters)
        ]
