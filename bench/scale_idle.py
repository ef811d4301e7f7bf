"""Idle cost: the share of a core of each process with many empty volumes, and the first start.

Two nodes mirror all volumes, and two storagemasters compare them.
"""

import argparse
import asyncio
import time

from bench.processor_time import processor_times
from bench.scratch_cluster import add_volumes, named, scratch_cluster

PROCESSES = ("valkey", "east-1", "west-1", "east-master", "west-master")
# A cycle of comparisons of two storagemasters.
SETTLING_SECONDS = 20.0
MEASURED_SECONDS = 30.0


def main() -> None:
    """Measure and print all figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale_idle", description=__doc__)
    parser.add_argument("--volumes", type=int, nargs="*", default=[32, 320])
    for volumes in parser.parse_args().volumes:
        asyncio.run(_measure(volumes))


async def _measure(volumes: int) -> None:
    async with scratch_cluster() as local:
        add_volumes(local, volumes)
        processes = named(local, *PROCESSES)
        started = time.monotonic()
        await local.start(processes)
        ready_seconds = time.monotonic() - started
        await asyncio.sleep(SETTLING_SECONDS)
        before = processor_times(processes)
        await asyncio.sleep(MEASURED_SECONDS)
        spent = {
            name: seconds - before.seconds[name]
            for name, seconds in processor_times(processes).seconds.items()
        }
    print(f"{volumes} volumes: first start {ready_seconds:.1f} s")
    for name, seconds in spent.items():
        count = sum(name in process.plan.argv or name == process.plan.name for process in processes)
        share = seconds / MEASURED_SECONDS / max(count, 1)
        print(f"  {name:<16}{share:7.2%} of a core a process")


if __name__ == "__main__":
    main()
