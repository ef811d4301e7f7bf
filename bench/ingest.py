"""Durable uploads to two colos, against plain writes of the same bytes to two files.

The cluster has one storagemaster, four nodes, and Valkey, as `glassplate up` runs them. It has no
image workers, so that this measures only the write path.
"""

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from bench.bare_writes import make_directories, write_all
from bench.figures import Figure, compare_async
from bench.photo_bytes import render_photo
from bench.scratch_cluster import named, scratch_cluster
from bench.wrk import LoadFailed
from glassplate.local.cluster import LocalCluster
from glassplate.local.plan import NODES
from permission_urls import Scope, sign_token

MASTER = "east-master"
AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Photos of one run, and the name and floor of their figure."""

    name: str
    floor: float
    photos: int
    photo_bytes: int
    unit: str
    units_each: float
    """Units per photo."""


LARGE = Batch(
    name="durable two-colo ingest of 2 MB photos, against writing them twice",
    floor=0.60,
    # Several seconds per run, because shorter runs vary more.
    photos=300,
    photo_bytes=2_000_000,
    unit="MB/s",
    units_each=2.0,
)
SMALL = Batch(
    name="durable two-colo ingest of 3 KB photos, against writing them twice",
    floor=0.35,
    photos=1000,
    photo_bytes=3_000,
    unit="photos/s",
    units_each=1.0,
)


async def measure() -> list[Figure]:
    """Measure MB per second of large photos, and photos per second of small ones."""
    async with scratch_cluster() as local:
        await local.start(named(local, "valkey", *NODES, MASTER))
        numbers = itertools.count()
        return [await _measure_batch(local, batch, numbers) for batch in (LARGE, SMALL)]


async def _measure_batch(local: LocalCluster, batch: Batch, numbers: Iterator[int]) -> Figure:
    folder = local.data / "bare" / str(batch.photo_bytes)
    await asyncio.to_thread(make_directories, folder)
    photos = [render_photo(number, batch.photo_bytes) for number in range(batch.photos)]

    async def measured() -> float:
        return batch.photos * batch.units_each / await _upload(local, batch, next(numbers))

    async def baseline() -> float:
        run = next(numbers)
        seconds = await asyncio.to_thread(write_all, folder, photos, run=run)
        return batch.photos * batch.units_each / seconds

    return await compare_async(batch.name, batch.floor, measured, baseline)


async def _upload(local: LocalCluster, batch: Batch, run: int) -> float:
    """Upload a batch of new photos with a load generator; return the duration in seconds."""
    token = sign_token(local.keys, [Scope.UPLOAD])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.upload_load", "--token", token),
        *("--address", str(local.cluster.masters[MASTER].address)),
        *("--photos", str(batch.photos), "--bytes", str(batch.photo_bytes)),
        *("--at-once", str(AT_ONCE), "--first", str(run * batch.photos)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise LoadFailed(f"the upload of {batch.photos} photos failed")
    return float(json.loads(output)["seconds"])
