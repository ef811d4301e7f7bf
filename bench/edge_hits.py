"""Cache hits of an nginx edge, which checks every permission, against plain nginx.

The nodes are stopped before the runs, so that every status 200 is a hit.
"""

from pathlib import Path

from bench.bare_nginx import prepare_bare_nginx
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

NAME = "cache hits of the nginx edge with its check, against bare nginx"
FLOOR = 0.60
SECONDS = 2
EDGE = "east-nginx"
NODE = NodeId("east-1")


async def measure() -> Figure:
    """Measure photos per second of the edge and of an nginx that serves the node's files."""
    async with scratch_cluster() as local:
        node, edge = local.cluster.nodes[NODE], local.cluster.edges[EDGE]
        running_node = named(local, NODE)
        await local.start([*running_node, *named(local, EDGE)])
        photos = make_photo_set(local.cluster, local.keys, local.cluster.volumes_on(NODE)[0])
        await put_photo_set(photos, node, local)
        by_url = {photo.url: photo.data for photo in photos}
        await check_responses(edge.listen, by_url)
        await local.stop(running_node)
        await check_responses(edge.listen, by_url)
        urls = write_paths(local.data / "urls", [photo.url for photo in photos])
        bare_paths = write_paths(local.data / "bare-paths", [photo.bare_path for photo in photos])

        bare = free_address()
        argv = prepare_bare_nginx(local.data / "bare-nginx", bare, root=Path(node.store))
        async with running(argv, bare, log=local.data / "log" / "bare-nginx.log"):
            await check_responses(bare, {photo.bare_path: photo.data for photo in photos})

            async def measured() -> float:
                return await photos_per_second(edge.listen, urls, seconds=SECONDS)

            async def baseline() -> float:
                return await photos_per_second(bare, bare_paths, seconds=SECONDS)

            return await compare_async(NAME, FLOOR, measured, baseline)
