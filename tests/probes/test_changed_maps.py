"""The mirrors of a volume change in `cluster.toml`: no photo seems absent, and status alerts."""

import dataclasses
import shutil

import pytest

from tests.storagemaster.small_cluster import MIRRORS, NODES
from volumes.config.config_reader import InvalidConfig


@pytest.fixture(name="change_mirrors")
def _change_mirrors(cluster):
    """Return a function that gives volume 1 other mirrors, and restarts the nodes."""

    async def change_mirrors(*mirrors):
        config = cluster.nodes_config
        volumes = {**config.volumes, 1: dataclasses.replace(config.volumes[1], mirrors=mirrors)}
        await cluster.stop(*NODES)
        cluster._small.nodes_config = dataclasses.replace(config, volumes=volumes)
        await cluster.start(*NODES)

    yield change_mirrors
    for node in set(NODES) - set(MIRRORS[1]):
        shutil.rmtree(cluster.root(node) / "1", ignore_errors=True)


async def statuses(cluster, path):
    """Return the status of a read at each node."""
    return {node: (await cluster.read(path, at=node)).status for node in NODES}


async def alerts_of(master):
    """Return the alerts of a storagemaster's status."""
    return (await master.request("GET", "/status")).document["alerts"]


async def test_a_map_without_a_node_that_holds_the_photos_is_refused(cluster, change_mirrors):
    """Its new mirrors are empty, and say so with 503; no node says 404."""
    path = await cluster.store_photo()
    await change_mirrors("east-2", "west-2")
    with pytest.raises(InvalidConfig, match="volume 1: its photos are on east-1, west-1"):
        await cluster.another_master()
    assert await statuses(cluster, path) == dict.fromkeys(NODES, 503)


async def test_a_storagemaster_that_runs_does_not_confirm_empty_mirrors(cluster, change_mirrors):
    """It started while the nodes with the photos were down."""
    path = await cluster.store_photo()
    await change_mirrors("east-2", "west-2")
    await cluster.stop("east-1", "west-1")
    master = await cluster.another_master()
    await cluster.start_and_notice("east-1", "west-1")
    assert await master.fence_lifter.lift_fences() == 2
    assert await statuses(cluster, path) == dict.fromkeys(NODES, 503)
    assert len([alert for alert in await alerts_of(master) if "does not give it (1)" in alert]) == 2


async def test_a_node_that_lost_a_volume_serves_nothing_of_it(cluster, change_mirrors):
    """It would get no deletes. Status and diff name it until its directory is gone."""
    path = await cluster.store_photo()
    await change_mirrors("east-1", "west-2")
    master = await cluster.another_master()
    assert (await statuses(cluster, path))["west-1"] == 503
    (alert,) = [alert for alert in await alerts_of(master) if "volume map" in alert]
    assert "node west-1 holds volumes that the volume map does not give it (1)" in alert
    assert (await master.request("GET", "/repairs/1")).document["strays"] == ["west-1"]
    await master.reconcile.reconcile(1)
    await master.fence_lifter.lift_fences()
    assert await statuses(cluster, path) == {
        "east-1": 200,
        "west-2": 200,
        "west-1": 503,
        "east-2": 503,
    }


async def test_a_node_with_an_old_map_is_an_alert(cluster):
    """The storagemasters give it a volume that it does not hold, and it says so to readers."""
    path = await cluster.store_photo()
    volumes = cluster.nodes_config.volumes
    config = {**volumes, 1: dataclasses.replace(volumes[1], mirrors=("east-1", "west-1", "west-2"))}
    cluster._small._options["volumes"] = config
    master = await cluster.another_master()
    (alert,) = [alert for alert in await alerts_of(master) if "volume map" in alert]
    assert "node west-2 does not hold volumes that the volume map gives it (1)" in alert
    assert (await statuses(cluster, path))["west-2"] == 503
    plan = (await master.request("GET", "/repairs/1")).document
    assert (plan["equal"], plan["unreachable"]) == (False, ["west-2"])
