"""New volumes open when every edge knows them, and full ones close."""

import contextlib
import dataclasses

import pytest

from tests.free_ports import free_port
from tests.storagemaster.maps.test_map_changes import change
from tests.storagemaster.pictures import picture
from tests.storagemaster.purged_edges import PurgedEdge
from tests.storagemaster.small_cluster import HOST, MIRRORS, NODES
from volumes.address import Address
from volumes.cluster import Colo, Limits, Master
from volumes.map.map_text import render_map
from volumes.map_digest import map_digest
from volumes.volume_state import VolumeState

ADDED = max(MIRRORS) + 1


@pytest.fixture(name="edges")
def _edges(runner):
    """Return two running edges, which say nothing about their map."""

    async def start(stack):
        edges = (PurgedEdge("near", "nginx"), PurgedEdge("far", "varnish"))
        return [await stack.enter_async_context(edge.running()) for edge in edges]

    stack = contextlib.AsyncExitStack()
    yield runner.run(start(stack))
    runner.run(stack.aclose())


@pytest.fixture(name="cluster")
def _cluster(runner, cluster_with, edges):
    """Return a small cluster with these edges, whose nodes follow the storagemasters' map."""

    async def start():
        master = Master(id="m1", colo=Colo("east"), address=Address(HOST, 1))
        edges_by_id = {
            edge.config.id: dataclasses.replace(edge.config, listen=Address(HOST, free_port()))
            for edge in edges
        }
        cluster = await cluster_with(masters={"m1": master}, edges=edges_by_id)
        await cluster.stop(*NODES)
        cluster.node_map = cluster.config
        await cluster.start_and_notice(*NODES)
        return cluster

    return runner.run(start())


async def add_volume(cluster):
    """Apply a map with one more volume, which says that it is open."""
    in_force = cluster.master.maps.in_force
    volume = dataclasses.replace(in_force.tables.volumes[1], number=ADDED)
    volumes = {**in_force.tables.volumes, ADDED: volume}
    tables = dataclasses.replace(in_force.tables, volumes=volumes)
    answer = await change(
        cluster.master, render_map(dataclasses.replace(in_force, tables=tables)), after_version=1
    )
    assert answer.status == 200
    assert [each["after"] for each in answer.document["changes"]] == ["east-1, west-1; new"]


async def run_passes(master, count=3):
    """Run the passes that open and close volumes."""
    for _ in range(count):
        await master.ports.poll()
        await master.volume_states.advance()


async def test_an_added_volume_opens_when_every_edge_knows_it(cluster, edges):
    """Until then it takes no photo, whatever the applied map says."""
    await add_volume(cluster)
    old, new = map_digest(cluster.config), map_digest(cluster.master.followed)
    for digests, is_open in (((old, new), False), ((new, old), False), ((new, new), True)):
        for edge, digest in zip(edges, digests, strict=True):
            edge.map_digest = digest
        await run_passes(cluster.master)
        answer = await cluster.master.request("POST", f"/photos?volume={ADDED}", data=picture())
        assert (answer.status == 201) is is_open


async def test_an_edge_that_is_down_does_not_keep_a_volume_from_opening(cluster, edges):
    """It answers nothing, and 503 for the volume when it is back with its old map."""
    await add_volume(cluster)
    edges[0].map_digest, edges[1].status = map_digest(cluster.master.followed), 500
    edges[1].map_digest = ""
    await run_passes(cluster.master)
    assert cluster.master.followed.volumes[ADDED].state is VolumeState.OPEN


async def test_a_full_volume_closes_by_itself(cluster_with):
    """At `limits.volume_bytes_max`; one volume stays open."""
    limits = Limits(volume_bytes_max=500)
    master = Master(id="m1", colo=Colo("east"), address=Address(HOST, 1))
    cluster = await cluster_with(masters={"m1": master}, limits=limits)
    await cluster.stop(*NODES)
    cluster.node_map = cluster.config
    await cluster.start_and_notice(*NODES)
    for number in MIRRORS:
        answer = await cluster.master.request("POST", f"/photos?volume={number}", data=picture())
        assert answer.status == 201
    for _ in MIRRORS:
        await cluster.master.reconcile.reconcile_next()
    await run_passes(cluster.master)
    states = [cluster.master.followed.volumes[number].state for number in MIRRORS]
    assert states.count(VolumeState.OPEN) == 1
    assert states.count(VolumeState.CLOSED) == len(MIRRORS) - 1
