"""Time and processor time from the restart of a node until all its fences are lifted.

Two nodes are separate processes, and mirror all volumes; the storagemaster's part runs in this
process. A tombstone of each volume is on both. In the second case, each volume has another one,
which the node has missed.
"""

import argparse
import asyncio
import os
import time
from dataclasses import replace

import aiohttp

from bench.processor_time import processor_times
from bench.scale_cost import Cost
from bench.scratch_cluster import add_volumes, named, scratch_cluster
from glassplate.local.processes import SupervisedProcess
from runtime.tls.machine_name import Role
from storagemaster.caches.purging import EdgePurger
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.repair.fence_lifting import PASS_SECONDS, FenceLifter
from storagenode.client import NodeClient
from storagenode.protocol.layout import Place
from volumes.cluster import Cluster, NodeId
from volumes.machines import own_certificate
from volumes.photo_id import mint_photo_id
from volumes.photo_path import PhotoTombstone, VolumeId

TIMES = 10
AT_ONCE = 16
MTIME_SECONDS = 1_700_000_000
FENCED, OTHER = NodeId("east-1"), NodeId("west-1")
CASES = ("fences lifted, nothing missed", "fences lifted, a delete of each volume missed")


def main() -> None:
    """Measure and print all figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale_fence", description=__doc__)
    parser.add_argument("--volumes", type=int, default=100, help="volumes at 1x")
    volumes = parser.parse_args().volumes
    work = (volumes, TIMES * volumes)
    few, many = [asyncio.run(_measure(each)) for each in work]
    for what, at_1x, at_10x in zip(CASES, few, many, strict=True):
        print(Cost(what, "volumes", work, (at_1x[0], at_10x[0])))
        print(Cost("  on the clock", "volumes", work, (at_1x[1], at_10x[1])))


async def _measure(volumes: int) -> list[tuple[float, float]]:
    """Return the processor time of all processes, and the time on the clock, of each case."""
    async with scratch_cluster() as local, aiohttp.ClientSession() as session:
        # The other nodes of a local cluster mirror some of its volumes.
        cluster = _of_two_nodes(add_volumes(local, len(local.cluster.volumes) + volumes))
        processes = named(local, FENCED, OTHER)
        await local.start(processes)
        own = own_certificate(cluster, Role.MASTER, "east-master")
        nodes = {
            node: NodeClient(node, cluster.nodes[node].write, session, local.keys, own)
            for node in (FENCED, OTHER)
        }
        mirrors = Mirrors(cluster, nodes, Fleet(nodes), cluster.nodes[OTHER].colo)
        lifter = FenceLifter(mirrors, TombstoneDelivery(mirrors, EdgePurger({}, session)))
        await _delete(mirrors, FENCED, OTHER)
        found = []
        for missing in ((), (OTHER,)):
            await _delete(mirrors, *missing)
            (fenced,) = named(local, FENCED)
            await fenced.start()
            found.append(await _lift(mirrors, lifter, processes))
        for client in nodes.values():
            client.close()
        return found


def _of_two_nodes(cluster: Cluster) -> Cluster:
    """Return a cluster without the volumes of other nodes."""
    pair = {FENCED, OTHER}
    return replace(
        cluster,
        nodes={node: cluster.nodes[node] for node in pair},
        volumes={n: each for n, each in cluster.volumes.items() if pair == {*each.mirrors}},
    )


async def _lift(
    mirrors: Mirrors, lifter: FenceLifter, processes: list[SupervisedProcess]
) -> tuple[float, float]:
    """Lift the fences of a node that is ready, as a storagemaster does."""
    before, started = _spent(processes), time.monotonic()
    while True:
        await mirrors.fleet.poll()
        status = mirrors.fleet.view()[FENCED].status
        if status is not None and not mirrors.cluster.volumes.keys() & {*status.fenced}:
            return _spent(processes) - before, time.monotonic() - started
        await lifter.lift_fences()
        await asyncio.sleep(PASS_SECONDS)


def _spent(processes: list[SupervisedProcess]) -> float:
    return sum(processor_times(processes).seconds.values()) + time.process_time()


async def _delete(mirrors: Mirrors, *nodes: NodeId) -> None:
    """Write the tombstone of a photo of each volume to some nodes."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(volume: VolumeId) -> None:
        photo = mint_photo_id(now_milliseconds=MTIME_SECONDS * 1000, random_bits=_random_bits)
        place = Place(PhotoTombstone(volume, photo))
        async with gate:
            for node in nodes:
                await mirrors.nodes[node].write_tombstone(place, mtime_seconds=MTIME_SECONDS)

    await asyncio.gather(*map(one, mirrors.cluster.volumes))


def _random_bits(count: int) -> int:
    return int.from_bytes(os.urandom((count + 7) // 8), "big") >> (-count % 8)


if __name__ == "__main__":
    main()
