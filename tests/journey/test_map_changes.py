"""A running cluster under load gets a volume and a node."""

import contextlib
import dataclasses
import json
import subprocess
import sys

import pytest

from tests.free_ports import free_port
from tests.journey.running_cluster import (
    EDGES,
    fetch,
    start_cluster,
    stop_cluster,
    wait_until,
)
from tests.journey.test_key_rotation import Load
from volumes.address import Address
from volumes.cluster import Node
from volumes.map.map_text import parse_tables, render_map
from volumes.map.volume_map import map_of

ADDED = "east-3"


@pytest.fixture(name="own_cluster")
def _own_cluster(tmp_path_factory):
    """Return a cluster that only this test uses, because it changes where volumes are."""
    cluster = start_cluster(tmp_path_factory.mktemp("maps") / "data")
    yield cluster
    stop_cluster(cluster)


def change_map(cluster, path, why, edit):
    """Edit the tables of the map in force, look at the changes, and put them in force."""
    shown = cluster.cli("map", "show")
    assert shown.returncode == 0, shown.stderr
    tables = edit(parse_tables(shown.stdout))
    path.write_text(render_map(dataclasses.replace(map_of(cluster.config), tables=tables)))
    planned = cluster.cli("map", "diff", str(path))
    assert "Nothing was changed" in planned.stdout, planned.stderr
    applied = cluster.cli("map", "apply", str(path), "--why", why)
    assert applied.returncode == 0, applied.stderr
    assert "is in force" in applied.stdout


def with_volumes(tables, *volumes):
    """Return tables with new or changed volumes."""
    changed = {volume.number: volume for volume in volumes}
    return dataclasses.replace(tables, volumes={**tables.volumes, **changed})


def state_of(cluster, number):
    """Return the state of a volume."""
    with cluster.client() as client:
        volumes = client.status()["volumes"]
    return next(each["state"] for each in volumes if each["number"] == number)


def disagreeing(cluster):
    """Return the processes with another volume map, as the doctor finds them."""
    findings = json.loads(cluster.cli("doctor", "--json").stdout)["findings"]
    maps = [each for each in findings if each["id"].startswith("map/")]
    assert len(maps) == len(cluster.config.nodes) + len(cluster.config.masters) + len(EDGES)
    return [each["id"] for each in maps if each["verdict"] != "ok"]


@contextlib.contextmanager
def running_node(cluster, node):
    """Run a node of the map that is not one of the local cluster."""
    for command in (("node", "init", node), ("certs", "issue", "node", node)):
        done = cluster.cli(*command)
        assert done.returncode == 0, done.stderr
    config = str(cluster.data / "cluster.toml")
    command = [sys.executable, "-m", "storagenode", "--config", config, "--node", node]
    with (cluster.data / "log" / f"{node}.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def test_a_running_cluster_gets_a_volume_and_a_node(own_cluster, jpeg, tmp_path):
    """No request of the load fails, and no process restarts."""
    cluster, path = own_cluster, tmp_path / "map.toml"
    before = cluster.running()
    volumes = cluster.config.volumes
    first = volumes[min(volumes)]
    node = Node(
        id=ADDED,
        colo=cluster.config.nodes[first.mirrors[0]].colo,
        read=Address("127.0.0.1", free_port()),
        write=Address("127.0.0.1", free_port()),
        store=f"{cluster.data}/nodes/{ADDED}",
    )
    with contextlib.ExitStack() as stack, cluster.client() as client:
        load = stack.enter_context(Load(cluster, jpeg))
        photo = client.put(jpeg(7), volume=first.number)
        added = dataclasses.replace(first, number=max(volumes) + 1)
        change_map(cluster, path, "a volume", lambda tables: with_volumes(tables, added))
        wait_until("the new volume to open", lambda: state_of(cluster, added.number) == "open")
        receipt = client.put(jpeg(8), volume=added.number)
        wait_until("every process to follow", lambda: disagreeing(cluster) == [])
        assert {fetch(cluster, edge, receipt.urls["o"])[0] for edge in EDGES} == {200}

        change_map(
            cluster,
            path,
            "a node",
            lambda tables: dataclasses.replace(tables, nodes={**tables.nodes, ADDED: node}),
        )
        stack.enter_context(running_node(cluster, ADDED))
        done = load.uploads
        wait_until("another upload", lambda: load.uploads > done)
        assert {fetch(cluster, edge, photo.urls["o"])[0] for edge in EDGES} == {200}
    assert load.refused == []
    assert cluster.running() == before
