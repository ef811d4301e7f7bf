"""Nodes that left the volume map store nothing, and nothing that they hold is lost."""

import dataclasses

from tests.storagemaster.maps.test_map_changes import change
from tests.storagemaster.pictures import picture
from tests.storagemaster.resumable.tus_client import TusClient
from volumes.map.map_text import render_map
from volumes.map.volume_map import with_map


async def remove(cluster, node, mirrors=("east-2", "west-1")):
    """Put a map without a node in force; its volume gets another mirror of its colo."""
    version = cluster.master.maps.in_force.version
    tables = cluster.master.maps.in_force.tables
    volumes = dict(tables.volumes)
    volumes[2] = dataclasses.replace(volumes[2], mirrors=mirrors)
    nodes = {id_: each for id_, each in tables.nodes.items() if id_ != node}
    tables = dataclasses.replace(tables, volumes=volumes, nodes=nodes)
    text = render_map(dataclasses.replace(cluster.master.maps.in_force, tables=tables))
    assert (await change(cluster.master, text, after_version=version)).status == 200
    await cluster.poll()


async def test_a_removed_node_stores_nothing_while_it_responds(cluster):
    """A hint goes to a node of the map. Searches cover the removed node: it may have files."""
    await remove(cluster, "west-2")
    await cluster.stop_and_notice("west-1")
    stored = await cluster.master.upload(picture())
    assert (stored.status, stored.nodes) == (201, ["east-1", "east-2"])
    for path in (f"/find/{stored.version.photo}", "/scrubs", "/photos/recent"):
        answer = await cluster.master.request("GET", path)
        assert (path, answer.status) == (path, 200)
        assert "west-2" not in answer.document["unreachable"]


async def test_a_removed_node_that_is_switched_off_is_not_missed(cluster):
    """Nothing waits for it, and no fault of it delays repairs. If it is back, its files count."""
    await cluster.master.upload(picture(), volume=2)
    await remove(cluster, "west-2")
    await cluster.stop_and_notice("west-2")
    fleet = cluster.master.fleet
    last_fault = fleet.last_fault
    await cluster.poll()
    assert (fleet.last_fault, set(fleet.view())) == (last_fault, {"east-1", "east-2", "west-1"})
    answer = await cluster.master.request("GET", "/scrubs")
    assert answer.document["unreachable"] == {}
    await cluster.start_and_notice("west-2")
    assert cluster.master.moves._comparison.strays.now()[2] == ["west-2"]


async def test_hints_for_a_removed_node_are_delivered_and_its_return_loses_nothing(cluster):
    """It was down. Back with its disk, it is a stray: its photos go to the mirrors first."""
    old = await cluster.master.upload(picture(), volume=2)
    await cluster.stop_and_notice("west-2")
    stored = await cluster.master.upload(picture(number=7), volume=2)
    assert stored.document["pending_mirrors"] == ["west-2"]
    await remove(cluster, "west-2")
    await cluster.master.deliver_hints()
    await cluster.poll()
    status = (await cluster.master.request("GET", "/status")).document
    assert status["pending_hints"] == 0
    assert stored.original in cluster.visible("east-2")
    await cluster.start_and_notice("west-2")
    await cluster.master.reconcile.reconcile(2)
    assert {old.original, stored.original} <= cluster.visible("west-1")
    await cluster.master.moves.advance_all()
    await cluster.master.moves.advance_all()
    assert old.original in cluster.visible("west-2")


async def test_the_files_of_a_removed_node_are_found_by_a_storagemaster_that_starts_later(cluster):
    """Its machine has the map without the node, and no storagemaster is left that had another."""
    stored = await cluster.master.upload(picture(), volume=2)
    await remove(cluster, "west-2")
    for node in ("east-2", "west-1"):
        cluster.path(node, stored.original).unlink(missing_ok=True)
    other = await cluster.another_master(
        config=with_map(cluster.config, cluster.master.maps.in_force)
    )
    await other.reconcile.reconcile(2)
    for node in ("east-2", "west-1"):
        assert stored.original in cluster.visible(node)
    (alert,) = [
        each
        for each in (await other.request("GET", "/status")).document["alerts"]
        if each.startswith("node west-2 holds volumes")
    ]
    assert alert.endswith("They wait for west-2 to be switched off, which has left the map")


async def test_a_resumable_upload_outlives_its_nodes_while_they_respond(cluster):
    """After that, its client gets the reason, and the status with which it begins again."""
    data, tus = picture(), TusClient(cluster.master)
    begun = [await tus.begin(len(data), path="/uploads?volume=2") for _ in range(2)]
    kept, lost = (answer.headers["Location"] for answer in begun)
    for path in (kept, lost):
        assert (await tus.append(path, data[:100], offset=0)).status == 204
    await remove(cluster, "west-2")
    await remove(cluster, "east-2", ("east-1", "west-1"))
    assert (await tus.append(kept, data[100:], offset=100)).status == 204
    receipt = (await cluster.master.request("GET", kept)).document["receipt"]
    assert sorted(copy["node"] for copy in receipt["copies"]) == ["east-1", "west-1"]
    await cluster.stop_and_notice("east-2", "west-2")
    answer = await tus.append(lost, data[100:], offset=100)
    assert (answer.status, answer.document["title"]) == (404, "Unknown upload")
    assert "its bytes were on east-2, west-2, which left the cluster" in answer.document["detail"]
