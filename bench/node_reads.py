"""Verified reads of a storage node, against plain aiohttp, and over TLS against clear text.

`python -m bench.node_reads` takes about two minutes. The second figure is read through an nginx
edge, because nodes serve their TLS port to edges only. The edge caches nothing: each photo is
requested once.
"""

import asyncio
import contextlib
import dataclasses
import re
import sys
from collections.abc import AsyncIterator

from bench.figures import Figure, compare_async, report
from bench.photo_set import (
    check_responses,
    make_photo_set,
    photos_per_second,
    put_photo_set,
)
from bench.rendered_edges import rendered_nginx
from bench.scratch_cluster import named, scratch_cluster
from bench.servers import free_address, running
from bench.uncached_photos import UncachedPhotos
from bench.wrk import write_paths
from glassplate.local.cluster import LocalCluster
from volumes.cluster import Cluster, NodeId

NAME = "verified reads of a node, against bare aiohttp from memory"
TLS_NAME = "reads of a node through nginx over TLS, against the same in clear text"
FLOOR = 0.80
TLS_FLOOR = 0.80
SECONDS = 2
# Each photo is linked under new names before a run, so runs of uncached photos are short.
TLS_SECONDS = 1
RUNS = 15
NODE = NodeId("east-1")


def main() -> int:
    """Measure both figures, and return the exit status."""
    return report("node-reads", asyncio.run(_measure_all()))


async def _measure_all() -> list[Figure]:
    return [await measure(), await measure_tls()]


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


async def measure_tls(floor: float = TLS_FLOOR) -> Figure:
    """Measure photos per second of one node through two edges: over TLS, and in clear text."""
    async with _cluster_with_read_tls() as local, contextlib.AsyncExitStack() as edges:
        node = local.cluster.nodes[NODE]
        await local.start(named(local, NODE))
        photos = make_photo_set(local.cluster, local.keys, local.cluster.volumes_on(NODE)[0])
        await put_photo_set(photos, node, local)
        uncached = UncachedPhotos(local, photos, node)
        by_tls = await edges.enter_async_context(rendered_nginx(local, "by-tls"))
        local.cluster = _in_clear_text(local.cluster)
        in_clear_text = await edges.enter_async_context(rendered_nginx(local, "in-clear-text"))

        async def measured() -> float:
            return await uncached.per_second(by_tls, seconds=TLS_SECONDS)

        async def baseline() -> float:
            return await uncached.per_second(in_clear_text, seconds=TLS_SECONDS)

        return await compare_async(TLS_NAME, floor, measured, baseline, runs=RUNS)


@contextlib.asynccontextmanager
async def _cluster_with_read_tls() -> AsyncIterator[LocalCluster]:
    """Prepare a cluster whose nodes have an address for reads over TLS."""
    async with scratch_cluster() as local:
        config = local.config_path.read_text()
        with_tls = re.sub(r'(?=store = ")', lambda _: f'read_tls = "{free_address()}"\n', config)
        local.config_path.write_text(with_tls)
        # Prepared again, because the edges get certificates now.
        cluster = LocalCluster.prepare(local.data)
        try:
            yield cluster
        finally:
            await cluster.stop(cluster.processes)


def _in_clear_text(cluster: Cluster) -> Cluster:
    """Return the cluster as edges see it that read without TLS."""
    nodes = {id_: dataclasses.replace(each, read_tls=None) for id_, each in cluster.nodes.items()}
    return dataclasses.replace(cluster, nodes=nodes)


if __name__ == "__main__":
    sys.exit(main())
