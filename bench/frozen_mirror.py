"""How long a mirror that freezes delays the uploads that come then, as the slowest hundredth tells.

`python -m bench.frozen_mirror` freezes one of four nodes again and again while photos are uploaded;
its kernel still takes connections and bytes, and nobody answers. Every receipt has to name two
copies. The delay is against the median of uploads while all nodes are well.
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
from permission_urls import sign_token

BOUND_SECONDS = 1.0
FREEZES = 10
UPLOADS = 100
"""In each freeze, and as many before it."""
AT_ONCE = 8
PHOTO_BYTES = 50_000
FROZEN = "west-1"
MASTER = "east-master"
COPIES_MIN = 2
# Until a node that goes on is believed in again.
PAUSE_SECONDS = 3.0


async def measure() -> Figure:
    """One second, to the delay of the slowest hundredth."""
    well: list[float] = []
    frozen: list[float] = []
    async with scratch_cluster() as local:
        await local.start(named(local, "valkey", *NODES, MASTER))
        (node,) = named(local, FROZEN)
        assert node.pid is not None, "it was just started"
        address = local.cluster.masters[MASTER].address
        token = sign_token(local.keys, ["upload"])
        async with Client([f"http://{address}"], token=token) as client:
            numbers = iter(range(2 * FREEZES * UPLOADS))
            for _ in range(FREEZES):
                well += await _upload_many(client, numbers)
                os.kill(node.pid, signal.SIGSTOP)
                try:
                    frozen += await _upload_many(client, numbers)
                finally:
                    os.kill(node.pid, signal.SIGCONT)
                await asyncio.sleep(PAUSE_SECONDS)
    usual = statistics.median(well)
    slowest = statistics.quantiles(frozen, n=100)[98]
    return Figure(
        name="1 s, against the delay of an upload while a mirror is frozen (p99)",
        floor=1.0,
        ratio=BOUND_SECONDS / (slowest - usual),
        runs=len(frozen),
        minimum=BOUND_SECONDS / (max(frozen) - usual),
        maximum=BOUND_SECONDS / max(1e-3, statistics.median(frozen) - usual),
        detail={
            "p50_seconds_well": usual,
            "p99_seconds_well": statistics.quantiles(well, n=100)[98],
            "p50_seconds_frozen": statistics.median(frozen),
            "p99_seconds_frozen": slowest,
            "p100_seconds_frozen": max(frozen),
        },
    )


async def _upload_many(client: Client, numbers: Iterator[int]) -> list[float]:
    """The seconds of each of many uploads, some at once."""
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
        raise RuntimeError(f"{receipt.reference} was acknowledged on {receipt.copies}")
    return seconds


def main() -> int:
    """Measure, tell it, and say how to exit."""
    return report("frozen-mirror", [asyncio.run(measure())])


if __name__ == "__main__":
    sys.exit(main())
