"""Reads through every kind of edge, against plain nginx that serves the same files.

`python -m bench.edge` takes about six minutes, and exits 1 if a median is below its floor. All
figures use the same photos and the same number of connections. The nodes are down during the
measurement of hits, so that every response is a hit.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import node_reads
from bench.bare_nginx import prepare_bare_nginx
from bench.figures import Figure, compare_async, report
from bench.photo_set import (
    SIZE_LETTER,
    PhotoOfSet,
    check_responses,
    make_photo_set,
    photos_per_second,
    put_photo_set,
)
from bench.rendered_edges import rendered_nginx, rendered_varnish, without_check
from bench.scratch_cluster import named, scratch_cluster
from bench.seaweed import put_photos, seaweed
from bench.servers import free_address, running
from bench.uncached_photos import UncachedPhotos
from bench.wrk import write_paths
from glassplate.local.cluster import LocalCluster
from permission_urls import ReadSigner
from volumes.address import Address
from volumes.cluster import NodeId
from volumes.photo_path import render_path
from volumes.sizes import size_classes

NODE = NodeId("east-1")
DAY_SECONDS = 86_400
RUN_SECONDS = 1
# Runs differ by a fifth on a machine with other load.
RUNS = 31

HIT_FLOOR = 0.85
VARNISH_FLOOR = 0.90
# A full check at each hit. This floor only detects regressions.
VARNISH_OTHER_FLOOR = 0.60
NODE_FLOOR = 0.80
SEAWEED_FLOOR = 2.0
# A hit of the chain is a hit of its nginx. A miss includes a verified read of a node, which plain
# nginx does not do, so its floor is only a lower bound.
CHAIN_HIT_FLOOR = 0.85
CHAIN_MISS_FLOOR = 0.07


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and the paths to request repeatedly."""

    address: Address
    paths: Path

    async def per_second(self) -> float:
        """Measure one run."""
        return await photos_per_second(self.address, self.paths, seconds=RUN_SECONDS)


class EdgeBench:
    """Photos on a node's disk, and the kinds of their URLs."""

    def __init__(self, local: LocalCluster, photos: Sequence[PhotoOfSet]) -> None:
        self.local = local
        self._photos = photos
        self._bytes = [photo.data for photo in photos]
        self._permanent = [photo.url for photo in photos]
        self._ending = _sign_until_tomorrow(local, photos)
        self._bare_paths = [photo.bare_path for photo in photos]

    async def warm(self, address: Address, paths: Sequence[str], name: str) -> Target:
        """Fetch and check every photo twice; return the target for the measurement."""
        expected = dict(zip(paths, self._bytes, strict=True))
        for _ in range(2):
            await check_responses(address, expected)
        return Target(address, write_paths(self.local.data / f"paths-{name}", paths))

    async def permanent(self, address: Address, name: str) -> Target:
        """Use URLs that never expire."""
        return await self.warm(address, self._permanent, name)

    async def ending(self, address: Address, name: str) -> Target:
        """Use URLs that expire tomorrow."""
        return await self.warm(address, self._ending, name)

    async def bare(self, address: Address) -> Target:
        """Use photo paths, for a server without permissions."""
        return await self.warm(address, self._bare_paths, "bare")

    async def in_seaweed(self, master: Address) -> Target:
        """Store the photos in SeaweedFS, and use its volume server, which has no permissions."""
        address, paths = await put_photos(master, self._bytes)
        return await self.warm(address, paths, "seaweed")


def main() -> int:
    """Measure everything, and return the exit status."""
    return report("edge", asyncio.run(_measure_all()))


async def _measure_all() -> list[Figure]:
    figures: list[Figure] = []
    async with scratch_cluster() as local, contextlib.AsyncExitStack() as servers:
        node = local.cluster.nodes[NODE]
        running_node = named(local, NODE)
        await local.start(running_node)
        photos = make_photo_set(local.cluster, local.keys, local.cluster.volumes_on(NODE)[0])
        await put_photo_set(photos, node, local)
        bench = EdgeBench(local, photos)

        bare_address = free_address()
        argv = prepare_bare_nginx(local.data / "bare-nginx", bare_address, root=Path(node.store))
        log = local.data / "log" / "bare-nginx.log"
        await servers.enter_async_context(running(argv, bare_address, log=log))
        bare = await bench.bare(bare_address)

        start = servers.enter_async_context
        cached = await start(rendered_nginx(local, "cached"))
        disk = await start(rendered_nginx(local, "disk", disk_node=NODE))
        varnish = await start(rendered_varnish(local, "varnish-checked"))
        unchecked = await start(rendered_varnish(local, "varnish-unchecked", without_check))
        chain = await start(rendered_nginx(local, "chain", varnish_tier=(varnish,)))

        _log("misses of the chain")
        figures.append(await _misses(UncachedPhotos(local, photos, node), chain, bare))
        hits = {
            f"{what}, URLs {kind}": await make_target(address, f"{name}-{kind.split()[0]}")
            for what, name, address in (
                ("cache hits of nginx with the check", "cached", cached),
                ("a node's disk through nginx with the check", "disk", disk),
                ("hits of the chain nginx > Varnish > node", "chain", chain),
            )
            for kind, make_target in (
                ("without expiry", bench.permanent),
                ("with expiry", bench.ending),
            )
        }
        checked = await bench.permanent(varnish, "varnish-checked")
        other = await bench.ending(varnish, "varnish-checked-other")
        plain = await bench.permanent(unchecked, "varnish-unchecked")
        await local.stop(running_node)

        for name, measured in hits.items():
            _log(name)
            floor = CHAIN_HIT_FLOOR if "chain" in name else HIT_FLOOR
            figures.append(await _compare(f"{name}, against bare nginx", floor, measured, bare))
        _log("Varnish")
        name = "Varnish with the check, against Varnish without"
        figures.append(await _compare(name, VARNISH_FLOOR, checked, plain))
        name = "the same, with other URLs than the ones of the fetches"
        figures.append(await _compare(name, VARNISH_OTHER_FLOOR, other, plain))
        _log("SeaweedFS")
        async with seaweed(local.data / "seaweed") as master:
            baseline = await bench.in_seaweed(master)
            name = "nginx with the check, against a SeaweedFS volume server without"
            measured = hits["cache hits of nginx with the check, URLs without expiry"]
            figures.append(await _compare(name, SEAWEED_FLOOR, measured, baseline))
    _log("verified reads of a node")
    figures.append(await node_reads.measure(NODE_FLOOR))
    return figures


async def _compare(name: str, floor: float, measured: Target, baseline: Target) -> Figure:
    return await compare_async(name, floor, measured.per_second, baseline.per_second, runs=RUNS)


async def _misses(uncached: UncachedPhotos, chain: Address, bare: Target) -> Figure:
    name = "misses of the chain nginx > Varnish > node, against bare nginx"

    async def measured() -> float:
        return await uncached.per_second(chain, seconds=RUN_SECONDS)

    return await compare_async(name, CHAIN_MISS_FLOOR, measured, bare.per_second, runs=RUNS)


def _sign_until_tomorrow(local: LocalCluster, photos: Sequence[PhotoOfSet]) -> list[str]:
    signer, until = ReadSigner(local.keys), int(time.time()) + DAY_SECONDS
    size_class = size_classes(local.cluster.sizes)[SIZE_LETTER]
    return [
        signer.url(render_path(photo.variant), size_class=size_class, expiry_seconds=until)
        for photo in photos
    ]


def _log(what: str) -> None:
    print(f"Measuring {what}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
