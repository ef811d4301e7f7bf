"""Costs of single steps. `glassplate plan` computes clusters of any size with them.

Rewrites `capacity/unit_costs.json`. Times of the processor are of this process or of a node.
Repairs are measured on the clock, between two nodes on this machine.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from bench import repair
from bench.machine import describe_machine
from bench.processor_time import processor_times
from bench.scale_roots import PROOFS, build_root, write_photo
from bench.scratch_cluster import named, scratch_cluster
from bench.ten_sizes import render_test_photo
from capacity import unit_costs
from capacity.unit_costs import UnitCosts
from imageworker.make_sizes import make_second_pass, make_sizes
from imageworker.recipe import DEFAULT_RECIPE
from runtime.tls.machine_name import Role
from storagenode.client import NodeClient
from storagenode.disk.store import DiskStore
from storagenode.disk.summaries.summaries import LOOKS_AT_ONCE
from storagenode.protocol.errors import StillListing
from storagenode.upkeep.scrub import Scrub
from volumes.machines import own_certificate
from volumes.photo_path import VolumeId
from volumes.sizes import DEFAULT_SIZES

TARGET = Path(unit_costs.__file__).with_name(unit_costs.FILE_NAME)
FILES = 50_000
VOLUMES = 8
LARGE_BYTES = 256 * 1024 * 1024
RUNS = 5
STATUSES = 500
REPEATED = 100
UNLIMITED_BYTES_PER_SECOND = 10**12
MEASURED_BY = {
    "photo_file_bytes": "all JPEG sizes of a test photo of 12 megapixels, and its info",
    "repair_clock_seconds_per_file": "bench.repair: 2,000 photos of 3 KB, without the bytes",
    "repair_clock_seconds_per_byte": "bench.repair: 150 photos of 2 MB, without the files",
    "scrub_seconds_per_file": f"a pass over {FILES:,} files of 200 bytes",
    "scrub_seconds_per_byte": f"a pass over a file of {LARGE_BYTES >> 20} MiB",
    "digest_seconds_per_volume": f"digest of an unchanged volume of {FILES // VOLUMES:,} files",
    "look_again_seconds": f"a look at {LOOKS_AT_ONCE} known shards",
    "restart_seconds_per_file": f"digests of {FILES:,} files after a restart of the store",
    "status_seconds": f"{STATUSES} statuses of a node",
}


def main() -> None:
    """Measure all costs, and write the file."""
    small_seconds, large_seconds = asyncio.run(_repair_seconds())
    per_byte = (large_seconds - small_seconds) / (
        repair.LARGE.photo_bytes - repair.SMALL.photo_bytes
    )
    with tempfile.TemporaryDirectory(prefix="glassplate-unit-costs-") as folder:
        store = build_root(Path(folder, "small"), VOLUMES, FILES)
        per_file = _scrub_seconds(store) / FILES
        store.save_summaries()
        restart = _seconds(lambda: _digest(DiskStore(store.file_system, PROOFS)))
        measured = UnitCosts(
            photo_file_bytes=_photo_file_bytes(),
            repair_clock_seconds_per_file=small_seconds - repair.SMALL.photo_bytes * per_byte,
            repair_clock_seconds_per_byte=per_byte,
            scrub_seconds_per_file=per_file,
            scrub_seconds_per_byte=_large_scrub_seconds(Path(folder, "large")) / LARGE_BYTES,
            digest_seconds_per_volume=_repeated(lambda: _digest(store)) / VOLUMES,
            look_again_seconds=_repeated(store.look_again),
            restart_seconds_per_file=restart / FILES,
            status_seconds=asyncio.run(_status_seconds()),
            machine=_machine(),
            measured_by=MEASURED_BY,
        )
    document = json.dumps(_rounded(measured.document()), indent=2)
    TARGET.write_text(f"{document}\n")
    print(f"{document}\nwrote {TARGET}")


async def _repair_seconds() -> tuple[float, float]:
    """Return the seconds on the clock for a photo of 3 KB, and for one of 2 MB."""
    small, large = await repair.measure()
    return (
        repair.SMALL.units_each / small.detail["measured"],
        repair.LARGE.units_each / large.detail["measured"],
    )


def _photo_file_bytes() -> tuple[int, ...]:
    original = render_test_photo()
    made = make_sizes(original, recipe=DEFAULT_RECIPE)
    variants = [*made.variants, *make_second_pass(original, recipe=DEFAULT_RECIPE)]
    by_size = {each.letter: len(each.data) for each in variants if each.ext == "jpg"}
    sizes = [by_size[size.letter] for size in DEFAULT_SIZES if size.letter in by_size]
    return (len(original), *sizes, len(made.info))


def _scrub_seconds(store: DiskStore) -> float:
    """Return the processor time of a pass without pauses."""

    async def run() -> None:
        with ThreadPoolExecutor(1) as threads:
            scrub = Scrub(
                store,
                threads,
                bytes_per_second=UNLIMITED_BYTES_PER_SECOND,
                now_seconds=time.time,
                sleep=_no_sleep,
            )
            await scrub.run_pass()

    return _seconds(lambda: asyncio.run(run()))


async def _no_sleep(_: float) -> None:
    """Return at once."""


def _large_scrub_seconds(root: Path) -> float:
    store = build_root(root, 1, 0)
    write_photo(root, os.urandom(LARGE_BYTES))
    return _scrub_seconds(store)


def _digest(store: DiskStore) -> None:
    for volume in store.volumes:
        # Storagemasters also repeat the request while the store still lists.
        while not _has_digest(store, volume):
            pass


def _has_digest(store: DiskStore, volume: VolumeId) -> bool:
    """Request the digest of a volume; return False if the store still lists."""
    try:
        store.volume_summary(volume)
    except StillListing:
        return False
    return True


async def _status_seconds() -> float:
    """Return the processor time of a node for one status."""
    async with scratch_cluster() as local:
        node, address = next((n.id, n.write) for n in local.cluster.nodes.values())
        processes = named(local, node)
        await local.start(processes)
        own = own_certificate(local.cluster, Role.MASTER, "east-master")
        async with aiohttp.ClientSession() as session:
            client = NodeClient(node, address, session, local.keys, own)
            await client.status(timeout_seconds=1)
            before = processor_times(processes)
            for _ in range(STATUSES):
                await client.status(timeout_seconds=1)
            spent = processor_times(processes).milliseconds_since(before, photos=STATUSES)
    return sum(spent.values()) / 1000


def _repeated(step: Callable[[], object]) -> float:
    """Return the processor time of a step that is too short for its clock."""
    return _seconds(lambda: [step() for _ in range(REPEATED)]) / REPEATED


def _seconds(step: Callable[[], object]) -> float:
    """Return the median processor time of some runs."""
    found = []
    for _ in range(RUNS):
        started = time.process_time()
        step()
        found.append(time.process_time() - started)
    return median(found)


def _rounded(document: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.3g}") if isinstance(value, float) else value
        for name, value in document.items()
    }


def _machine() -> str:
    found = describe_machine()
    return ", ".join(found[name] for name in ("cpu", "cores", "python"))


if __name__ == "__main__":
    main()
