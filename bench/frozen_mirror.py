"""Delay of uploads by a frozen mirror, as the 99th percentile.

`python -m bench.frozen_mirror` freezes one of four nodes repeatedly during uploads. The kernel of a
frozen node still accepts connections and bytes, but no process responds. Every receipt must name
two copies. The delay is relative to the median of uploads with four healthy nodes.
"""

import asyncio
import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator

from bench.figures import Figure, report
from bench.photo_bytes import render_photo
from bench.scratch_cluster import named, scratch_cluster
from glassplate.client import Client
from glassplate.local.plan import NODES
from glassplate.session.new_tokens import sign_new_token

BOUND_SECONDS = 1.0
FREEZES = 10
UPLOADS = 100
"""Number of uploads in each freeze, and before each freeze."""
AT_ONCE = 8
PHOTO_BYTES = 50_000
FROZEN = "west-1"
MASTER = "east-master"
COPIES_MIN = 2
# Time until the storagemasters use a resumed node again.
PAUSE_SECONDS = 3.0


async def measure() -> Figure:
    """Return the ratio of one second to the delay at the 99th percentile."""
    healthy: list[float] = []
    frozen: list[float] = []
    async with scratch_cluster() as local:
        await local.start(named(local, "valkey", *NODES, MASTER))
        (node,) = named(local, FROZEN)
        assert node.pid is not None, "the node has just started"
        address = local.cluster.masters[MASTER].address
        token = sign_new_token(local.keys, ["upload"])
        async with Client([f"http://{address}"], token=token) as client:
            numbers = iter(range(2 * FREEZES * UPLOADS))
            for _ in range(FREEZES):
                healthy += await _upload_many(client, numbers)
                os.kill(node.pid, signal.SIGSTOP)
                try:
                    frozen += await _upload_many(client, numbers)
                finally:
                    os.kill(node.pid, signal.SIGCONT)
                await asyncio.sleep(PAUSE_SECONDS)
    healthy_seconds = statistics.median(healthy)
    slowest = statistics.quantiles(frozen, n=100)[98]
    return Figure(
        name="1 s, against the delay of an upload while a mirror is frozen (p99)",
        floor=1.0,
        ratio=BOUND_SECONDS / (slowest - healthy_seconds),
        runs=len(frozen),
        minimum=BOUND_SECONDS / (max(frozen) - healthy_seconds),
        maximum=BOUND_SECONDS / max(1e-3, statistics.median(frozen) - healthy_seconds),
        detail={
            "p50_seconds_healthy": healthy_seconds,
            "p99_seconds_healthy": statistics.quantiles(healthy, n=100)[98],
            "p50_seconds_frozen": statistics.median(frozen),
            "p99_seconds_frozen": slowest,
            "p100_seconds_frozen": max(frozen),
        },
    )


async def _upload_many(client: Client, numbers: Iterator[int]) -> list[float]:
    """Upload photos concurrently; return the duration of each upload in seconds."""
    left = iter(range(UPLOADS))

    async def some() -> list[float]:
        return [await _upload(client, next(numbers)) for _ in left]

    return [
        seconds
        for each in await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        for seconds in each
    ]


async def _upload(client: Client, number: int) -> float:
    photo = render_photo(number, PHOTO_BYTES)
    started = time.monotonic()
    receipt = await client.put(photo)
    seconds = time.monotonic() - started
    if len({copy.node for copy in receipt.copies}) < COPIES_MIN:
        raise RuntimeError(f"{receipt.reference} has too few copies: {receipt.copies}")
    return seconds


def main() -> int:
    """Measure, and return the exit status."""
    return report("frozen-mirror", [asyncio.run(measure())])


if __name__ == "__main__":
    sys.exit(main())
