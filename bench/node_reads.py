"""Verified reads of a storage node, against plain aiohttp with the same bytes in memory."""

import sys

from bench.figures import Figure, compare_async
from bench.photo_set import (
    check_responses,
    make_photo_set,
    photos_per_second,
    put_photo_set,
)
from bench.scratch_cluster import named, scratch_cluster
from bench.servers import free_address, running
from bench.wrk import write_paths
from volumes.cluster import NodeId

NAME = "verified reads of a node, against bare aiohttp from memory"
FLOOR = 0.80
SECONDS = 2
RUNS = 15
NODE = NodeId("east-1")


async def measure(floor: float = FLOOR) -> Figure:
    """Measure photos per second of one node process and of one plain aiohttp process."""
    async with scratch_cluster() as local:
        node = local.cluster.nodes[NODE]
        await local.start(named(local, NODE))
        photos = make_photo_set(local.cluster, local.keys, local.cluster.volumes_on(NODE)[0])
        await put_photo_set(photos, node, local)
        await check_responses(node.read, {photo.url: photo.data for photo in photos})
        urls = write_paths(local.data / "urls", [photo.url for photo in photos])
        bare_paths = write_paths(local.data / "bare-paths", [photo.bare_path for photo in photos])

        bare = free_address()
        serve_bare = [sys.executable, "-m", "bench.bare_server", "--port", str(bare.port)]
        async with running(
            [*serve_bare, "--folder", node.store], bare, log=local.data / "log" / "bare.log"
        ):
            await check_responses(bare, {photo.bare_path: photo.data for photo in photos})

            async def measured() -> float:
                return await photos_per_second(node.read, urls, seconds=SECONDS)

            async def baseline() -> float:
                return await photos_per_second(bare, bare_paths, seconds=SECONDS)

            return await compare_async(NAME, floor, measured, baseline, runs=RUNS)
