"""Unthrottled repair of a mirror that lacks photos, against a required rate on two cores.

Two nodes are separate processes; the storagemaster's part of the repair runs in this process. Each
run copies photos from the only mirror that has them, spread over all shards, and compares the
mirrors.
"""

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from bench.figures import Figure, report, summarize
from bench.photo_bytes import render_photo
from bench.photo_set import one_chunk
from bench.scratch_cluster import named, scratch_cluster
from glassplate.local.cluster import LocalCluster
from runtime.tls.machine_name import Role
from storagemaster.caches.purging import EdgePurger
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.settling import Settling
from storagemaster.repair.reconcile import Reconciler
from storagemaster.repair.settlement import Settlements
from storagenode.client import NodeClient
from storagenode.protocol.layout import Place
from volumes.cluster import NodeId
from volumes.machines import own_certificate
from volumes.photo_id import mint_photo_id, mint_version
from volumes.photo_path import PhotoVersion, Variant, VolumeId

RUNS = 5
AT_ONCE = 16
MTIME_SECONDS = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Photos of one run, and the required rate."""

    name: str
    photos: int
    photo_bytes: int
    least: float
    units_each: float
    """Units of `least` per photo."""


SMALL = Batch("repair of 3 KB photos, against 400 photos/s", 2000, 3_000, 400.0, 1.0)
LARGE = Batch("repair of 2 MB photos, against 100 MB/s", 150, 2_000_000, 100.0, 2.0)
BATCHES = (SMALL, LARGE)


class RepairFailed(Exception):
    """The mirrors differ after a repair."""


async def measure() -> list[Figure]:
    """Return the ratios of the measured rates to the required ones."""
    async with scratch_cluster() as local:
        volume = next(iter(local.cluster.volumes))
        mirrors = local.cluster.volumes[volume].mirrors
        await local.start(named(local, *mirrors))
        async with aiohttp.ClientSession() as session:
            return [await _measure(local, session, volume, batch) for batch in BATCHES]


async def _measure(
    local: LocalCluster, session: aiohttp.ClientSession, volume: VolumeId, batch: Batch
) -> Figure:
    source, *_ = ids = local.cluster.volumes[volume].mirrors
    mirrors, reconcile = await own_reconciler(local, session, ids)
    rates = []
    for run in range(1 + RUNS):
        await fill_node(mirrors.nodes[source], volume, batch, run)
        started = time.perf_counter()
        done = await reconcile.reconcile(volume, unthrottled=True)
        seconds = time.perf_counter() - started
        if done.done != batch.photos or (await reconcile.plan(volume)).plan.steps:
            raise RepairFailed(f"{done.done} of {batch.photos} photos were copied")
        rates.append(batch.photos * batch.units_each / seconds)
    return summarize(batch.name, 1.0, [(rate, batch.least) for rate in rates[1:]])


async def own_reconciler(
    local: LocalCluster, session: aiohttp.ClientSession, ids: Sequence[NodeId]
) -> tuple[Mirrors, Reconciler]:
    """Return the repair of a storagemaster with these nodes."""
    own = own_certificate(local.cluster, Role.MASTER, "east-master")
    nodes = {n: NodeClient(n, local.cluster.nodes[n].write, session, local.keys, own) for n in ids}
    mirrors = Mirrors(local.cluster, nodes, Fleet(nodes), local.cluster.nodes[ids[0]].colo)
    await mirrors.fleet.poll()
    # No edge needs a purge.
    tombstone_delivery = TombstoneDelivery(mirrors, EdgePurger({}, session))
    reconcile = Reconciler(
        mirrors,
        tombstone_delivery,
        Settlements(mirrors, tombstone_delivery, record=_keep_no_log),
        settling=Settling(mirrors.fleet),
        now_seconds=time.time,
    )
    return mirrors, reconcile


async def _keep_no_log(_: object) -> None:
    """Forget an act: no photo of the bench has a conflict."""


async def fill_node(node: NodeClient, volume: VolumeId, batch: Batch, run: int) -> None:
    """Store new photos on one mirror."""
    data = render_photo(run, batch.photo_bytes)
    numbers = itertools.count()

    async def some() -> None:
        while (number := next(numbers)) < batch.photos:
            photo = mint_photo_id(now_milliseconds=MTIME_SECONDS * 1000, random_bits=_random_bits)
            photo_version = PhotoVersion(volume, photo, mint_version(_random_bits))
            body = data[:-8] + number.to_bytes(8, "big")
            await node.put(
                Place(Variant(photo_version, "o", "jpg")),
                one_chunk(body),
                mtime_seconds=MTIME_SECONDS,
                bytes_total=len(body),
            )

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


def _random_bits(count: int) -> int:
    return int.from_bytes(os.urandom((count + 7) // 8), "big") >> (-count % 8)


if __name__ == "__main__":
    sys.exit(report("repair", asyncio.run(measure())))
