"""Rates at which a node receives a volume that moves to it, against its disk and its throttle.

Three nodes are separate processes; the storagemaster's part of the move runs in this process.
"""

import asyncio
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import aiohttp

from bench.figures import Figure, summarize
from bench.repair import LARGE, fill_node, own_reconciler
from bench.scratch_cluster import named, scratch_cluster
from glassplate.local.cluster import LocalCluster
from glassplate.local.preparation import CONFIG_NAME
from permission_urls import sign_map
from storagemaster.moves.filling import PASS_SECONDS
from storagemaster.repair.reconcile import Reconciler
from storagenode.protocol.maps import MapKind
from volumes.cluster import Limits
from volumes.map.changes import next_map
from volumes.map.map_text import render_map
from volumes.map.volume_map import VolumeMap, map_of, with_map
from volumes.photo_path import VolumeId

RUNS = 3
UNLIMITED = 10**12
TOTAL_BYTES = LARGE.photos * LARGE.photo_bytes
VOLUME = VolumeId(1)


class MoveFailed(Exception):
    """The joining node lacks files."""


async def measure_copies() -> list[Figure]:
    """Return the ratios of the rates to the disk's write rate, and to the throttle."""
    throttle = Limits().move_bytes_per_second
    fast = [await _rate(UNLIMITED) for _ in range(RUNS)]
    slow = [await _rate(throttle) for _ in range(RUNS)]
    disk = [_disk_rate() for _ in range(RUNS)]
    for name, rates in (("unthrottled", fast), ("throttled", slow), ("the disk alone", disk)):
        shown = ", ".join(f"{rate / 1e6:.1f}" for rate in rates)
        print(f"MB/s {name}: {shown}")
    throttled = zip_rates(slow, throttle)
    return [
        summarize("move of 2 MB photos, against the disk", 0.7, zip_rates(fast, disk)),
        summarize("move of 2 MB photos, against its throttle", 0.9, throttled),
        summarize(
            "move of 2 MB photos, no faster than its throttle",
            0.9,
            throttled,
            higher_is_better=False,
        ),
    ]


def zip_rates(rates: list[float], wanted: list[float] | int) -> list[tuple[float, float]]:
    """Return each rate with the wanted one."""
    each = wanted if isinstance(wanted, list) else [float(wanted)] * len(rates)
    return list(zip(rates, each, strict=True))


async def _rate(bytes_per_second: int) -> float:
    """Return the rate of a move in bytes a second, with this throttle."""
    async with scratch_cluster() as local, aiohttp.ClientSession() as session:
        with (local.data / CONFIG_NAME).open("a") as config:
            config.write(f"\n[limits]\nmove_bytes_per_second = {bytes_per_second}\n")
        joined = _joined(local)
        homes = joined.tables.volumes[VOLUME].homes
        await local.start(named(local, *homes))
        mirrors, reconcile = await own_reconciler(local, session, homes)
        signed = sign_map(local.keys, render_map(joined)).encode()
        for node in homes:
            await mirrors.nodes[node].keep_map(MapKind.IN_FORCE, joined.version, signed)
        await fill_node(mirrors.nodes[homes[0]], VOLUME, LARGE, 0)
        await reconcile.reconcile(VOLUME, unthrottled=True)
        mirrors.cluster = with_map(local.cluster, joined)
        return await _move(reconcile)


def _joined(local: LocalCluster) -> VolumeMap:
    """Return the next map, in which a third node joins a volume."""
    first = map_of(local.cluster)
    volume = first.tables.volumes[VOLUME]
    other = next(node for node in first.tables.nodes if node not in volume.mirrors)
    volumes = {**first.tables.volumes, VOLUME: replace(volume, joining=(other,))}
    return next_map(first, replace(first.tables, volumes=volumes), why="bench")


async def _move(reconcile: Reconciler) -> float:
    started = time.perf_counter()
    copied = 0
    while copied < TOTAL_BYTES:
        report = await reconcile.fill(VOLUME)
        copied += report.copied_bytes
        if report.failed or not (report.done or report.throttled):
            raise MoveFailed(f"{copied} of {TOTAL_BYTES} bytes were copied: {report.failed}")
        if copied < TOTAL_BYTES:
            await asyncio.sleep(PASS_SECONDS)
    return copied / (time.perf_counter() - started)


def _disk_rate() -> float:
    """Return the rate at which this disk takes the same files, each with an fsync."""
    data = os.urandom(LARGE.photo_bytes)
    with tempfile.TemporaryDirectory(prefix="glassplate-bench-") as folder:
        started = time.perf_counter()
        for number in range(LARGE.photos):
            with (Path(folder) / str(number)).open("wb", buffering=0) as file:
                file.write(data)
                os.fsync(file.fileno())
        return TOTAL_BYTES / (time.perf_counter() - started)
