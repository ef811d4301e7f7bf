"""Durable uploads of small photos, against SeaweedFS with fsync and two data centers.

`python -m bench.seaweed_ingest` takes two minutes. Both services run all the time, and are measured
in turns with 16 uploads at once. `--syncfs never` measures single fsyncs.
"""

import argparse
import asyncio
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from bench.figures import Figure, compare_async, report
from bench.ingest import SMALL, UploadRuns, Workload, running_cluster
from bench.photo_bytes import render_photo
from bench.seaweed import put_photos, seaweed
from bench.wrk import LoadFailed
from volumes.address import Address

FLOOR = 0.7


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and return the exit status."""
    parser = argparse.ArgumentParser(prog="bench.seaweed_ingest", description=__doc__)
    parser.add_argument("--syncfs", choices=("always", "never"), default=SMALL.syncfs)
    workload = replace(SMALL, syncfs=parser.parse_args(arguments).syncfs)
    return report("seaweed-ingest", [asyncio.run(_measure(workload))])


async def _measure(workload: Workload) -> Figure:
    async with running_cluster(workload) as local, seaweed(local.data / "seaweed") as master:
        # Returns when all volume servers have registered.
        await put_photos(master, [render_photo(0, workload.photo_bytes)])
        runs, numbers = UploadRuns(local, workload), itertools.count()

        async def measured() -> float:
            return await runs.upload(next(numbers))

        async def baseline() -> float:
            return workload.photos / await _store(master, workload, next(numbers))

        name = f"3 KB photos, syncfs {workload.syncfs}, against SeaweedFS with fsync"
        figure = await compare_async(name, FLOOR, measured, baseline)
        detail = figure.detail | {"processor_ms": runs.processor_milliseconds()}
        return replace(figure, detail=detail)


async def _store(master: Address, workload: Workload, run: int) -> float:
    """Store the photos of one run in SeaweedFS; return the duration in seconds."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.seaweed_load", "--master", str(master)),
        *("--photos", str(workload.photos), "--bytes", str(workload.photo_bytes)),
        *("--at-once", str(workload.at_once), "--first", str(run * workload.photos)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise LoadFailed(f"SeaweedFS stored not all of {workload.photos} photos")
    return float(json.loads(output)["seconds"])


if __name__ == "__main__":
    sys.exit(main())
