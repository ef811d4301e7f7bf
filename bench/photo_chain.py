"""Photos through the whole chain: uploaded until every size is mirrored in both colos.

The baseline makes only the sizes of the same photos, in one sandboxed decoder per core, without
HTTP, queue, or disk. The difference is the overhead of the system.
"""

import asyncio
import dataclasses
import itertools
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import aiohttp

from bench.figures import Figure, compare_async
from bench.scratch_cluster import named, scratch_cluster
from bench.ten_sizes import render_test_photo
from bench.wrk import LoadFailed
from glassplate.local.cluster import LocalCluster
from glassplate.local.plan import NODES
from glassplate.session.new_tokens import sign_new_token
from imageworker.recipe import DEFAULT_RECIPE
from imageworker.sandbox.child import SizesMaker

NAME = "12-megapixel photos through the whole chain, against making their sizes alone"
FLOOR = 0.50
PHOTOS = 60
RUNS = 3
AT_ONCE = 4
WAIT_SECONDS = 30

_PARTS = ("east-master", "west-master", "east-worker-1", "west-worker-1")
_PERCENTILE_99 = 98


async def measure() -> Figure:
    """Measure photos per minute, and the waiting time of each photo."""
    photo = await asyncio.to_thread(render_test_photo)
    numbers = itertools.count()
    seconds_each: list[float] = []
    async with scratch_cluster() as local:
        await local.start(named(local, "valkey", *NODES, *_PARTS))
        with SizesMaker() as one, SizesMaker() as other:

            async def measured() -> float:
                photos = [make_unique(photo, next(numbers)) for _ in range(PHOTOS)]
                started = time.perf_counter()
                seconds_each.extend(await _upload_all(local, photos))
                return 60 * PHOTOS / (time.perf_counter() - started)

            async def baseline() -> float:
                return await asyncio.to_thread(_photos_a_minute_alone, photo, (one, other))

            figure = await compare_async(NAME, FLOOR, measured, baseline, runs=RUNS)
    # Without the first run, which is a warmup.
    waits = seconds_each[PHOTOS:]
    detail = {
        "unit": "photos a minute",
        "cores": len(os.sched_getaffinity(0)),
        "at_once": AT_ONCE,
        "p50_seconds": round(statistics.median(waits), 3),
        "p99_seconds": round(statistics.quantiles(waits, n=100)[_PERCENTILE_99], 3),
    }
    return dataclasses.replace(figure, detail=figure.detail | detail)


def make_unique(photo: bytes, number: int) -> bytes:
    """Return the same image in unique bytes: a JPEG comment has the number."""
    comment = f"photo {number}".encode()
    return photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]


async def _upload_all(local: LocalCluster, photos: list[bytes]) -> list[float]:
    """Upload to both storagemasters in turn; return the seconds of each upload to its last size."""
    headers = {"Authorization": f"Bearer {sign_new_token(local.keys, ['upload'])}"}
    masters = itertools.cycle(local.cluster.masters.values())
    left = iter(photos)
    async with aiohttp.ClientSession(headers=headers) as session:
        uploads = [
            _upload_some(session, f"http://{next(masters).address}", left) for _ in range(AT_ONCE)
        ]
        return [seconds for some in await asyncio.gather(*uploads) for seconds in some]


async def _upload_some(
    session: aiohttp.ClientSession, master: str, left: Iterator[bytes]
) -> list[float]:
    """Upload as one client, which sends the next photo when the last one is ready."""
    waits = []
    for photo in left:
        started = time.perf_counter()
        url = f"{master}/photos?wait={WAIT_SECONDS}"
        async with session.post(url, data=photo) as response:
            receipt = await response.json()
        if response.status != 201 or receipt["state"] != "ready":
            raise LoadFailed(f"an upload returned {response.status}: {receipt}")
        if receipt["durability"] != "mirrored":
            raise LoadFailed("an upload is only in one colo")
        waits.append(time.perf_counter() - started)
    return waits


def _photos_a_minute_alone(photo: bytes, makers: tuple[SizesMaker, ...]) -> float:
    def make_some(maker: SizesMaker) -> None:
        for _ in range(PHOTOS // len(makers)):
            maker.make(photo, DEFAULT_RECIPE)

    started = time.perf_counter()
    with ThreadPoolExecutor(len(makers)) as threads:
        list(threads.map(make_some, makers))
    return 60 * PHOTOS / (time.perf_counter() - started)
