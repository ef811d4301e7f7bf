"""Durable uploads to two colos, against plain writes of the same bytes to two files.

The cluster has one storagemaster, four nodes, and Valkey, as `glassplate up` runs them. It has no
image workers, so that this measures only the write path. All switches of `python -m bench.ingest`:

--photo-bytes N   3000 (default) or any size; 500000 and more are measured in MB a second
--at-once N       uploads at once
--volumes N       volumes in the map of the storagemaster; all above 8 take no new photos
--stored N        photos that are in the store before the measurement
--syncfs MODE     `always` as on a disk of its own, or `never`
--tls off         without TLS between storagemaster and nodes
--tus             resumable uploads of 5 MB, against `POST /photos`
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import statistics
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from bench.bare_writes import make_directories, write_all
from bench.figures import Figure, compare_async, report
from bench.photo_bytes import render_photo
from bench.processor_time import processor_times
from bench.scratch_cluster import named, scratch_cluster
from bench.wrk import LoadFailed
from glassplate.local.cluster import LocalCluster
from glassplate.local.plan import NODES
from glassplate.session.new_tokens import sign_new_token

MASTER = "east-master"
PROCESSES = ("valkey", *NODES, MASTER)
LOAD_GENERATOR = "load generator"
# The volumes of a local cluster, which get the photos.
LOCAL_VOLUMES = 8
LARGE_BYTES_MIN = 500_000
# Several seconds per run, because shorter runs vary more.
SMALL_PHOTOS = 2000
LARGE_PHOTOS = 300
RESUMABLE_PHOTOS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The photos of one run, and the cluster that they meet."""

    photo_bytes: int
    floor: float
    at_once: int = 16
    volumes: int = LOCAL_VOLUMES
    stored: int = 0
    syncfs: str = "always"
    tls: str = "on"
    is_tus: bool = False
    """True if resumable uploads are measured against plain ones, not against plain writes."""

    @property
    def is_large(self) -> bool:
        """True if the rate of bytes is of interest, and not that of photos."""
        return self.photo_bytes >= LARGE_BYTES_MIN

    @property
    def photos(self) -> int:
        """Number of photos in a run."""
        if self.is_tus:
            return RESUMABLE_PHOTOS
        return LARGE_PHOTOS if self.is_large else SMALL_PHOTOS

    @property
    def units_each(self) -> float:
        """MB, or photos, for each photo."""
        return self.photo_bytes / 1_000_000 if self.is_large else 1.0

    @property
    def name(self) -> str:
        """Name of the figure."""
        kind = f"{self.photo_bytes / 1_000_000:g} MB" if self.is_large else f"{self.photo_bytes} B"
        parts = [f"durable two-colo ingest of {kind}, {self.at_once} at once"]
        parts += [f"syncfs {self.syncfs}", f"TLS {self.tls}"]
        parts += [f"{self.volumes} volumes"] if self.volumes > LOCAL_VOLUMES else []
        parts += [f"{self.stored} photos stored"] if self.stored else []
        against = "POST /photos" if self.is_tus else "writing them twice"
        return ", ".join(parts) + f"{' by tus' * self.is_tus}, against {against}"


LARGE = Workload(photo_bytes=2_000_000, floor=0.75)
# At least so much of what plain uploads of the same photos store.
RESUMABLE = Workload(photo_bytes=5_000_000, floor=0.85, is_tus=True)
SMALL = Workload(photo_bytes=3_000, floor=0.40)
SMALL_BY_FSYNC = replace(SMALL, floor=0.28, syncfs="never")


@dataclass(slots=True)
class UploadRuns:
    """The runs of one workload: the processor time for each photo, by process."""

    local: LocalCluster
    workload: Workload
    milliseconds: list[dict[str, float]] = field(default_factory=list)

    async def upload(self, run: int, *, tus: bool = False) -> float:
        """Upload new photos with a load generator; return the rate."""
        workload = self.workload
        cluster = named(self.local, *PROCESSES)
        before = processor_times(cluster)
        load = await _upload(self.local, workload, run, tus=tus)
        spent = processor_times(cluster).milliseconds_since(before, photos=workload.photos)
        spent["sum"] = sum(spent.values())
        spent[LOAD_GENERATOR] = load["processor_seconds"] * 1000 / workload.photos
        self.milliseconds.append(spent)
        return workload.photos * workload.units_each / load["seconds"]

    def processor_milliseconds(self) -> dict[str, float]:
        """Return the median for each photo, by process, without the first run."""
        counted = self.milliseconds[1:]
        return {name: statistics.median(each[name] for each in counted) for name in counted[0]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one workload, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="bench.ingest",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--photo-bytes", type=int, default=SMALL.photo_bytes)
    parser.add_argument("--at-once", type=int, default=SMALL.at_once)
    parser.add_argument("--volumes", type=int, default=SMALL.volumes)
    parser.add_argument("--stored", type=int, default=SMALL.stored)
    parser.add_argument("--syncfs", choices=("always", "never"), default=SMALL.syncfs)
    parser.add_argument("--tls", choices=("on", "off"), default=SMALL.tls)
    parser.add_argument("--tus", action="store_true")
    found = parser.parse_args(arguments)
    if found.tus:
        resumable = replace(RESUMABLE, at_once=found.at_once, syncfs=found.syncfs, tls=found.tls)
        return report("ingest-tus", asyncio.run(measure([resumable])))
    del found.tus
    workload = Workload(floor=0.0, **vars(found))
    floor = (LARGE if workload.is_large else SMALL).floor
    if workload.syncfs == "never" and not workload.is_large:
        floor = SMALL_BY_FSYNC.floor
    return report("ingest", asyncio.run(measure([replace(workload, floor=floor)])))


async def measure(workloads: Sequence[Workload] = (LARGE, SMALL, SMALL_BY_FSYNC)) -> list[Figure]:
    """Measure MB per second of large photos, and photos per second of small ones."""
    return [await _measure_one(workload) for workload in workloads]


async def _measure_one(workload: Workload) -> Figure:
    async with running_cluster(workload) as local:
        numbers = itertools.count()
        await _store_before(local, workload, numbers)
        folder = local.data / "bare"
        await asyncio.to_thread(make_directories, folder)
        photos = [render_photo(number, workload.photo_bytes) for number in range(workload.photos)]
        runs = UploadRuns(local, workload)

        async def measured() -> float:
            return await runs.upload(next(numbers), tus=workload.is_tus)

        async def baseline() -> float:
            if workload.is_tus:
                return await UploadRuns(local, workload).upload(next(numbers))
            seconds = await asyncio.to_thread(write_all, folder, photos, run=next(numbers))
            return workload.photos * workload.units_each / seconds

        figure = await compare_async(workload.name, workload.floor, measured, baseline)
        detail = figure.detail | {"processor_ms": runs.processor_milliseconds()}
        return replace(figure, detail=detail)


@contextlib.asynccontextmanager
async def running_cluster(workload: Workload) -> AsyncIterator[LocalCluster]:
    """Run the write path of a cluster with the workload's config until the block exits."""
    async with scratch_cluster() as local:
        config = local.config_path.read_text()
        config = config.replace('store = "', f'syncfs = "{workload.syncfs}"\nstore = "')
        config = config.replace('internal = "on"', f'internal = "{workload.tls}"')
        local.config_path.write_text(config)
        views = {}
        if workload.volumes > LOCAL_VOLUMES:
            # In the map of the storagemaster only: a node makes a thousand directories for each.
            view = local.config_path.with_name("many-volumes.toml")
            view.write_text(
                f'{config}\n[[volumes]]\nnumbers = "{LOCAL_VOLUMES + 1}-{workload.volumes}"\n'
                'mirrors = ["east-1", "west-1"]\nstate = "closed"\n'
            )
            views = {MASTER: view}
        cluster = local.with_views(views)
        try:
            await cluster.start(named(cluster, *PROCESSES))
            yield cluster
        finally:
            await cluster.stop(cluster.processes)


async def _store_before(local: LocalCluster, workload: Workload, numbers: Iterator[int]) -> None:
    for _ in range(-(-workload.stored // workload.photos)):
        await _upload(local, workload, next(numbers))


async def _upload(
    local: LocalCluster, workload: Workload, run: int, *, tus: bool = False
) -> dict[str, float]:
    """Upload the photos of one run; return what the load generator reports."""
    token = sign_new_token(local.keys, ["upload"])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.upload_load", "--token", token),
        *("--address", str(local.cluster.masters[MASTER].address)),
        *("--photos", str(workload.photos), "--bytes", str(workload.photo_bytes)),
        *("--at-once", str(workload.at_once), "--first", str(run * workload.photos)),
        *(["--tus"] if tus else []),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise LoadFailed(f"the upload of {workload.photos} photos failed")
    reported: dict[str, float] = json.loads(output)
    return reported


if __name__ == "__main__":
    sys.exit(main())
