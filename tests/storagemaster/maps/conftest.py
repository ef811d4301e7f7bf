"""A small cluster whose volume map changes."""

import shutil

import pytest

from tests.storagemaster.small_cluster import HOST, MIRRORS, NODES
from volumes.address import Address
from volumes.cluster import Colo, Master


@pytest.fixture(name="cluster")
def _cluster(runner, cluster_with):
    """Return a small cluster whose nodes have the addresses of the storagemasters' map."""

    async def start():
        master = Master(id="m1", colo=Colo("east"), address=Address(HOST, 1))
        cluster = await cluster_with(masters={"m1": master})
        await cluster.stop(*NODES)
        cluster.node_map = cluster.config
        await cluster.start_and_notice(*NODES)
        return cluster

    yield (cluster := runner.run(start()))
    for node in NODES:
        for number in MIRRORS:
            if node not in MIRRORS[number]:
                # The roots are for all tests, which have these volumes elsewhere.
                shutil.rmtree(cluster.root(node) / str(number), ignore_errors=True)
