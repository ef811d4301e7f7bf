"""Time from a delete until no edge serves any variant of the photo, over many photos.

`make bench-purge` caches every size of 1,000 photos in every edge of a local cluster. It then
deletes the photos, and requests each URL repeatedly from the return of the delete on.
"""

import asyncio
import io
import random
import statistics
import sys
import time
from urllib.parse import urlsplit

import aiohttp
from PIL import Image

from bench.figures import Figure, report
from bench.scratch_cluster import scratch_cluster
from glassplate.client import Client
from glassplate.local.cluster import LocalCluster
from glassplate.session.new_tokens import sign_new_token

PHOTOS = 1_000
AT_ONCE = 16
BOUND_SECONDS = 1.0
GIVE_UP_SECONDS = 10.0
POLL_SECONDS = 0.02


async def measure() -> Figure:
    """Return the ratio of one second to the time of the slowest photo."""
    async with scratch_cluster() as local:
        await local.start(local.processes)
        masters = [f"http://{master.address}" for master in local.cluster.masters.values()]
        token = sign_new_token(local.keys, ["upload", "read", "original", "delete"])
        limit = asyncio.Semaphore(AT_ONCE)
        async with Client(masters, token=token) as client, aiohttp.ClientSession() as session:

            async def one(number: int) -> float:
                async with limit:
                    return await _purge_one(local, client, session, number)

            seconds = await asyncio.gather(*(one(number) for number in range(PHOTOS)))
    slowest = max(seconds)
    return Figure(
        name=f"1 s, against the last response with a deleted photo (slowest of {PHOTOS})",
        floor=1.0,
        ratio=BOUND_SECONDS / slowest,
        runs=PHOTOS,
        minimum=BOUND_SECONDS / slowest,
        maximum=BOUND_SECONDS / statistics.median(seconds),
        detail={"p100_seconds": slowest, "median_seconds": statistics.median(seconds)},
    )


async def _purge_one(
    local: LocalCluster, client: Client, session: aiohttp.ClientSession, number: int
) -> float:
    receipt = await client.put(_photo(number))
    await client.wait_until_ready(receipt.reference, timeout_seconds=120)
    targets = [
        f"http://{edge.listen}{urlsplit(url).path}"
        for edge in local.cluster.edges.values()
        for url in receipt.urls.values()
    ]
    for target in targets * 2:
        if await _status(session, target) != 200:
            raise RuntimeError(f"cannot measure the purge of {target}: it is not served")
    await client.delete(receipt.reference)
    returned = time.monotonic()
    await asyncio.gather(*(_until_refused(session, target) for target in targets))
    return time.monotonic() - returned


async def _until_refused(session: aiohttp.ClientSession, target: str) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while await _status(session, target) == 200:  # noqa: ASYNC110  # polls another process
            await asyncio.sleep(POLL_SECONDS)


async def _status(session: aiohttp.ClientSession, target: str) -> int:
    async with session.get(target) as response:
        await response.read()
        return response.status


def _photo(number: int) -> bytes:
    shades = random.Random(number)
    picture = Image.new("RGB", (200, 150), tuple(shades.randbytes(3)))
    picture.putpixel((number % 200, number // 200), tuple(shades.randbytes(3)))
    out = io.BytesIO()
    picture.save(out, "JPEG", comment=f"photo {number}".encode())
    return out.getvalue()


def main() -> int:
    """Measure, and return the exit status."""
    return report("purge", [asyncio.run(measure())])


if __name__ == "__main__":
    sys.exit(main())
