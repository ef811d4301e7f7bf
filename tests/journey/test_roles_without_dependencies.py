"""Every role starts before what it depends on, and keeps running without it."""

import asyncio
import itertools

import pytest

from glassplate.blocking import Client
from glassplate.errors import ClusterError
from glassplate.local.cluster import prepare_on_free_ports
from tests.journey.running_cluster import fetch_from, wait_until

NODES = ("east-1", "east-2", "west-1", "west-2")
MASTERS = ("east-master", "west-master")
DEPENDENCIES = {
    "Valkey": ("valkey",),
    "memcached": ("memcached-1",),
    "nodes": NODES,
    "storagemasters": MASTERS,
}
# Enough for each role to notice that its connections are gone, and to try again.
DOWN_SECONDS = 2.5


class StartedCluster:
    """A local cluster whose processes are started in this test's order."""

    def __init__(self, data):
        self.local = prepare_on_free_ports(data)
        self._loop = asyncio.Runner()
        masters = [f"http://{master.address}" for master in self.local.cluster.masters.values()]
        self.client = Client(masters, keys=self.local.keys)
        self.edges = [edge.listen for edge in self.local.cluster.edges.values()]

    def run(self, work):
        """Run a coroutine in the loop that supervises the processes."""
        return self._loop.run(work)

    def start_clients_first(self):
        """Start edges and workers, then masters, then nodes, then Valkey and memcached."""
        by_stage = sorted(self.local.processes, key=lambda each: -each.plan.stage)
        for _, stage in itertools.groupby(by_stage, key=lambda each: each.plan.stage):
            self.run(self.local.start(stage))

    def named(self, names):
        """Return the processes with these names."""
        return [process for name in names for process in self.local.named(name)]

    def others(self, names):
        """Return the pid and the restarts of every other process."""
        return {
            each.plan.name: (each.pid, each.restarts)
            for each in self.local.processes
            if each.plan.name not in names
        }

    def close(self):
        """Stop everything."""
        self.run(self.local.stop(self.local.processes))
        self._loop.close()


@pytest.fixture(name="started", scope="module")
def _started(tmp_path_factory):
    cluster = StartedCluster(tmp_path_factory.mktemp("roles"))
    try:
        cluster.start_clients_first()
        with cluster.client:
            yield cluster
    finally:
        cluster.close()


def works(started, photo):
    """Upload a photo, wait for its sizes, and read one from every edge; return its URL."""

    def is_stored():
        try:
            receipts.append(started.client.put(photo))
        except ClusterError:
            return False
        return receipts[-1].durability == "mirrored"

    receipts = []
    wait_until("a mirrored upload", is_stored)
    status = started.client.wait_until_ready(receipts[-1].reference, timeout_seconds=60)
    assert status.state == "ready"
    url = status.urls["m"]
    for edge in started.edges:
        # Varnish uses a node again after its next health check succeeds.
        wait_until("a photo from the edge", lambda edge=edge: fetch_from(edge, url)[0] == 200)
    return url


def test_every_role_starts_before_what_it_depends_on(started, jpeg):
    """Started in the reverse order, the cluster works, and no process had to be restarted."""
    works(started, jpeg(70))
    assert {restarts for _, restarts in started.others(()).values()} == {0}


@pytest.mark.parametrize("dependency", DEPENDENCIES)
def test_every_role_keeps_running_without_what_it_depends_on(started, jpeg, dependency):
    """No other process ends, edges serve what they have, and all works once it is back."""
    names = DEPENDENCIES[dependency]
    url = works(started, jpeg(80))
    before = started.others(names)
    started.run(started.local.stop(started.named(names)))
    for edge in started.edges:
        assert fetch_from(edge, url)[0] == 200
    if dependency in {"Valkey", "memcached"}:
        assert started.client.put(jpeg(81)).durability == "mirrored"
    started.run(asyncio.sleep(DOWN_SECONDS))
    assert started.others(names) == before
    started.run(started.local.start(started.named(names)))
    works(started, jpeg(90))
    assert started.others(names) == before
