"""Verified reads of a storage node, against bare aiohttp that returns as many bytes from memory."""

import sys

from bench.figures import Figure, compare_async
from bench.photo_set import (
    make_photo_set,
    photos_per_second,
    put_photo_set,
    refuse_wrong_answers,
)
from bench.scratch_cluster import named, scratch_cluster
from bench.theirs import free_address, running
from bench.wrk import write_paths
from volumes.cluster import NodeId

NAME = "verified reads of a node, against bare aiohttp from memory"
FLOOR = 0.50
SECONDS = 2
RUNS = 15
NODE = NodeId("east-1")


async def measure(floor: float = FLOOR) -> Figure:
    """Photos a second of one node process, to those of one process of bare aiohttp."""
    async with scratch_cluster() as local:
        node = local.cluster.nodes[NODE]
        await local.start(named(local, NODE))
        photos = make_photo_set(local.cluster, local.keys, local.cluster.volumes_on(NODE)[0])
        await put_photo_set(photos, node, local.keys)
        await refuse_wrong_answers(node.read, {photo.url: photo.data for photo in photos})
        urls = write_paths(local.data / "urls", [photo.url for photo in photos])
        bare_paths = write_paths(local.data / "bare-paths", [photo.bare_path for photo in photos])

        bare = free_address()
        serve_bare = [sys.executable, "-m", "bench.bare_server", "--port", str(bare.port)]
        async with running(
            [*serve_bare, "--folder", node.store], bare, log=local.data / "log" / "bare.log"
        ):
            await refuse_wrong_answers(bare, {photo.bare_path: photo.data for photo in photos})

            async def ours() -> float:
                return await photos_per_second(node.read, urls, seconds=SECONDS)

            async def theirs() -> float:
                return await photos_per_second(bare, bare_paths, seconds=SECONDS)

            return await compare_async(NAME, floor, ours, theirs, runs=RUNS)
