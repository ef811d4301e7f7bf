"""Reading through the edge, each way there is, against bare nginx that serves the same files.

`python -m bench.edge` takes some six minutes, and exits 1 where a median is under its floor. All
figures are of the same photos and as many connections. While hits are measured the nodes are down,
so that whatever is answered is a hit.
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
from bench.never_read import NeverRead
from bench.photo_set import (
    SIZE_LETTER,
    PhotoOfSet,
    make_photo_set,
    photos_per_second,
    put_photo_set,
    refuse_wrong_answers,
)
from bench.rendered_edges import rendered_nginx, rendered_varnish, without_check
from bench.scratch_cluster import named, scratch_cluster
from bench.seaweed import put_photos, seaweed
from bench.theirs import free_address, running
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
# One run differs from the next by a fifth where others use the machine too.
RUNS = 31

HIT_FLOOR = 0.75
VARNISH_FLOOR = 0.90
# A full check at each hit. Nothing is promised of it; below this something is wrong.
VARNISH_OTHER_FLOOR = 0.60
NODE_FLOOR = 0.60
SEAWEED_FLOOR = 2.0
# A hit of the chain is one of the nginx in front. A miss is a node's work, for which bare nginx,
# without a digest to verify, is no limit: the figure says how much it is.
CHAIN_HIT_FLOOR = 0.75
CHAIN_MISS_FLOOR = 0.01


@dataclass(frozen=True, slots=True)
class Asked:
    """A server and what is asked of it, over and over."""

    address: Address
    paths: Path

    async def per_second(self) -> float:
        """One run."""
        return await photos_per_second(self.address, self.paths, seconds=RUN_SECONDS)


class EdgeBench:
    """The photos, on a node's disk, and what they are asked for by."""

    def __init__(self, local: LocalCluster, photos: Sequence[PhotoOfSet]) -> None:
        self.local = local
        self._photos = photos
        self._bytes = [photo.data for photo in photos]
        self._permanent = [photo.url for photo in photos]
        self._ending = _sign_until_tomorrow(local, photos)
        self._bare_paths = [photo.bare_path for photo in photos]

    async def warm(self, address: Address, paths: Sequence[str], name: str) -> Asked:
        """Fetch every photo twice, each time with the right bytes, and be ready to ask for more."""
        expected = dict(zip(paths, self._bytes, strict=True))
        for _ in range(2):
            await refuse_wrong_answers(address, expected)
        return Asked(address, write_paths(self.local.data / f"paths-{name}", paths))

    async def permanent(self, address: Address, name: str) -> Asked:
        """By URLs that are good for ever."""
        return await self.warm(address, self._permanent, name)

    async def ending(self, address: Address, name: str) -> Asked:
        """By URLs that end tomorrow."""
        return await self.warm(address, self._ending, name)

    async def bare(self, address: Address) -> Asked:
        """By photo paths, from a server that asks for no permission."""
        return await self.warm(address, self._bare_paths, "bare")

    async def in_seaweed(self, master: Address) -> Asked:
        """From a volume server of SeaweedFS, which asks for no permission either."""
        address, paths = await put_photos(master, self._bytes)
        return await self.warm(address, paths, "seaweed")


def main() -> int:
    """Measure everything, tell it, and say how to exit."""
    return report("edge", asyncio.run(_measure_all()))


async def _measure_all() -> list[Figure]:
    figures: list[Figure] = []
    async with scratch_cluster() as local, contextlib.AsyncExitStack() as servers:
        node = local.cluster.nodes[NODE]
        running_node = named(local, NODE)
        await local.start(running_node)
        photos = make_photo_set(local.cluster, local.keys, local.cluster.volumes_on(NODE)[0])
        await put_photo_set(photos, node, local.keys)
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

        _say("misses of the whole chain")
        figures.append(await _misses(NeverRead(local, photos, node), chain, bare))
        hits = {
            f"{what}, URLs {kind}": await ask(address, f"{name}-{kind[:4]}")
            for what, name, address in (
                ("cache hits of nginx with the check", "cached", cached),
                ("a node's disk through nginx with the check", "disk", disk),
                ("hits of the chain nginx > Varnish > node", "chain", chain),
            )
            for kind, ask in (("for ever", bench.permanent), ("that end", bench.ending))
        }
        checked = await bench.permanent(varnish, "varnish-checked")
        other = await bench.ending(varnish, "varnish-checked-other")
        plain = await bench.permanent(unchecked, "varnish-unchecked")
        await local.stop(running_node)

        for name, ours in hits.items():
            _say(name)
            floor = CHAIN_HIT_FLOOR if "chain" in name else HIT_FLOOR
            figures.append(await _compare(f"{name}, against bare nginx", floor, ours, bare))
        _say("Varnish")
        name = "Varnish with the check, against Varnish without"
        figures.append(await _compare(name, VARNISH_FLOOR, checked, plain))
        name = "the same, by URLs that the photos were not fetched by"
        figures.append(await _compare(name, VARNISH_OTHER_FLOOR, other, plain))
        _say("SeaweedFS")
        async with seaweed(local.data / "seaweed") as master:
            theirs = await bench.in_seaweed(master)
            name = "nginx with the check, against a SeaweedFS volume server without"
            ours = hits["cache hits of nginx with the check, URLs for ever"]
            figures.append(await _compare(name, SEAWEED_FLOOR, ours, theirs))
    _say("verified reads of a node")
    figures.append(await node_reads.measure(NODE_FLOOR))
    return figures


async def _compare(name: str, floor: float, ours: Asked, theirs: Asked) -> Figure:
    return await compare_async(name, floor, ours.per_second, theirs.per_second, runs=RUNS)


async def _misses(never_read: NeverRead, chain: Address, bare: Asked) -> Figure:
    name = "misses of the chain nginx > Varnish > node, against bare nginx"

    async def ours() -> float:
        return await never_read.per_second(chain, seconds=RUN_SECONDS)

    return await compare_async(name, CHAIN_MISS_FLOOR, ours, bare.per_second, runs=RUNS)


def _sign_until_tomorrow(local: LocalCluster, photos: Sequence[PhotoOfSet]) -> list[str]:
    signer, until = ReadSigner(local.keys), int(time.time()) + DAY_SECONDS
    size_class = size_classes(local.cluster.sizes)[SIZE_LETTER]
    return [
        signer.url(render_path(photo.variant), size_class=size_class, expiry_seconds=until)
        for photo in photos
    ]


def _say(what: str) -> None:
    print(f"Measuring {what}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
