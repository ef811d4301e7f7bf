"""Latency of reads and uploads while a node is drained, against that of the same load before.

`python -m bench.move_latency` takes about three minutes. The load begins at fixed times, however
long the responses take. Reads are from the node that receives the copies, past all caches.
"""

import asyncio
import itertools
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bench.figures import Figure, report, summarize
from bench.photo_bytes import render_photo
from bench.scratch_cluster import named, scratch_cluster
from bench.wrk import LoadFailed
from glassplate.local.cluster import LocalCluster
from glassplate.local.plan import NODES
from glassplate.session.new_tokens import sign_new_token
from volumes.cluster import NodeId

DRAINED, RECEIVES = NodeId("east-2"), NodeId("east-1")
MASTER = "east-master"
PROCESSES = ("valkey", *NODES, MASTER, "west-master")
RUNS = 3
SECONDS = 15.0
# Half of them leave the drained node, which takes twenty seconds at the usual throttle.
PHOTOS, PHOTO_BYTES, AT_ONCE = 600, 2_000_000, 8
READS_PER_SECOND, UPLOADS_PER_SECOND, UPLOAD_BYTES = 40, 10, 100_000
# At most 1.5 times the usual latency.
FLOOR = 1 / 1.5


@dataclass(slots=True)
class Latencies:
    """Seconds of the requests of one period."""

    reads: list[float] = field(default_factory=list)
    uploads: list[float] = field(default_factory=list)


def main() -> int:
    """Measure some drains, and return the exit status."""
    periods = [asyncio.run(_measure()) for _ in range(RUNS)]
    return report("move-latency", [_figure("reads", periods), _figure("uploads", periods)])


def _figure(kind: str, periods: list[tuple[Latencies, Latencies]]) -> Figure:
    pairs = [(p99(getattr(after, kind)), p99(getattr(before, kind))) for before, after in periods]
    for during, before in pairs:
        print(f"p99 of {kind}: {before * 1000:.1f} ms, {during * 1000:.1f} ms during a drain")
    name = f"p99 of {kind} before a drain / during it"
    return summarize(name, FLOOR, pairs, higher_is_better=False)


def p99(seconds: list[float]) -> float:
    """Return the latency that 99 of 100 requests do not exceed."""
    return statistics.quantiles(seconds, n=100)[98]


async def _measure() -> tuple[Latencies, Latencies]:
    """Return the latencies before and during one drain."""
    async with scratch_cluster() as local, aiohttp.ClientSession() as session:
        await local.start(named(local, *PROCESSES))
        load = Load(local, session)
        await load.store_photos()
        before = await load.run()
        async with _drain(local) as drain:
            during = await load.run()
            if drain.returncode is not None:
                raise LoadFailed(f"the drain ended before the load, with {drain.returncode}")
        return before, during


@asynccontextmanager
async def _drain(local: LocalCluster) -> AsyncIterator[asyncio.subprocess.Process]:
    """Drain the node with its command. Its cluster ends with the block, so the drain may too."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "glassplate", "--cluster", str(local.config_path)),
        *("node", "drain", DRAINED, "--apply", "--wait"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


class Load:
    """Requests that begin at fixed times."""

    def __init__(self, local: LocalCluster, session: aiohttp.ClientSession) -> None:
        token = sign_new_token(local.keys, ["upload", "read", "original"])
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"}
        self._master = f"http://{local.cluster.masters[MASTER].address}"
        self._receives = f"http://{local.cluster.nodes[RECEIVES].read}"
        self._numbers = itertools.count()
        self._rng = random.Random(2004)
        self._paths: list[str] = []
        """Paths of originals on the node that is read."""

    async def store_photos(self) -> None:
        """Upload the photos that are read and moved."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def store() -> None:
            async with gate:
                receipt = await self._upload(PHOTO_BYTES)
            if RECEIVES in {copy["node"] for copy in receipt["copies"]}:
                self._paths.append(receipt["urls"]["o"].split("/", 3)[3])

        await asyncio.gather(*(store() for _ in range(PHOTOS)))

    async def run(self) -> Latencies:
        """Run the load; return the latency of each request.

        Raises:
            LoadFailed: A request failed.
        """
        found = Latencies()
        async with asyncio.TaskGroup() as requests:
            kinds = (
                (found.reads, self._read, READS_PER_SECOND),
                (found.uploads, lambda: self._upload(UPLOAD_BYTES), UPLOADS_PER_SECOND),
            )
            for seconds, request, rate in kinds:
                requests.create_task(_at_rate(requests, seconds, request, rate))
        return found

    async def _read(self) -> None:
        url = f"{self._receives}/{self._rng.choice(self._paths)}"
        async with self._session.get(url) as response:
            if response.status != 200 or len(await response.read()) != PHOTO_BYTES:
                raise LoadFailed(f"a read returned {response.status}")

    async def _upload(self, size_bytes: int) -> dict[str, Any]:
        data = render_photo(next(self._numbers), size_bytes)
        url = f"{self._master}/photos"
        async with self._session.post(url, data=data, headers=self._headers) as response:
            receipt: dict[str, Any] = await response.json()
            if response.status != 201:
                raise LoadFailed(f"an upload returned {response.status}: {receipt}")
            return receipt


async def _at_rate(
    requests: asyncio.TaskGroup,
    seconds: list[float],
    request: Callable[[], Awaitable[object]],
    per_second: float,
) -> None:
    """Begin requests at a rate; record the seconds of each."""

    async def timed() -> None:
        started = time.perf_counter()
        await request()
        seconds.append(time.perf_counter() - started)

    for delay in _delays(per_second):
        await asyncio.sleep(delay)
        requests.create_task(timed())


def _delays(per_second: float) -> Iterator[float]:
    """Yield the seconds until each next request, which do not add up to a later end."""
    started = time.perf_counter()
    for number in range(int(SECONDS * per_second)):
        yield max(started + number / per_second - time.perf_counter(), 0.0)


if __name__ == "__main__":
    sys.exit(main())
