"""Operators' actions on a running local cluster: dead and emptied disks, and a wrong map."""

import json
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.journey.running_cluster import EDGES, fetch, fetch_from, read_from, wait_until

NODE = "west-2"
OF_NODE = 4
"""A volume that the node mirrors."""


@pytest.fixture(name="photo", scope="module")
def _photo(cluster, jpeg):
    """Return the bytes of a ready photo on the node, its reference, and its URLs."""
    data = jpeg(16)
    with cluster.client() as client:
        receipt = client.put(data, volume=OF_NODE)
        status = client.wait_until_ready(receipt.reference, timeout_seconds=60)
    return data, receipt.reference, status.urls


def root_of(cluster):
    """Return the root directory of the node."""
    return cluster.data / "nodes" / NODE


def is_mirrored(cluster, reference):
    """Return True if the node has every file of the photo that the other mirror has."""
    files = cluster.files_of(reference)
    return len(files) == 2 and len({frozenset(of_node.items()) for of_node in files.values()}) == 1


def remove_everything_in(folder):
    """Remove all files and folders in a folder, as often as a running node adds one meanwhile.

    The node writes until the marker of its root is gone.
    """
    command = ["find", folder, "-mindepth", "1", "-delete"]

    def is_empty():
        subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
        return not any(folder.iterdir())

    wait_until("an empty folder", is_empty)


def warnings(cluster):
    """Return the warnings of `glassplate status`."""
    return "\n".join(json.loads(cluster.cli("status", "--json").stdout)["warnings"])


def test_a_node_that_cannot_start_keeps_no_other_down(cluster, photo):
    """`colo start` starts everything else and says why the node is down; `node start` follows."""
    data, reference, urls = photo
    root, elsewhere = root_of(cluster), cluster.data / "dead"
    before = cluster.running()
    assert cluster.cli("colo", "stop", "west").returncode == 0
    root.rename(elsewhere)
    started = cluster.cli("colo", "start", "west")
    assert started.returncode == 1
    assert f"{NODE} exited with status 2" in started.stderr
    assert f"{root}/.node is missing. If the disk of {NODE} is not mounted" in started.stderr
    assert cluster.running().keys() == before.keys() - {NODE}
    assert [fetch(cluster, edge, urls["o"])[2] for edge in EDGES] == [data] * 3
    wait_until("the warning", lambda: f"node {NODE} in west is down" in warnings(cluster))
    failed = cluster.cli("node", "start", NODE, "--json")
    assert failed.returncode == 1
    assert "is missing" in json.loads(failed.stdout)[0]["failure"]
    elsewhere.rename(root)
    assert cluster.cli("node", "start", NODE).returncode == 0
    assert cluster.running().keys() == before.keys()
    wait_until("the mirror", lambda: is_mirrored(cluster, reference))


def test_an_emptied_disk_becomes_an_empty_mirror_on_command(cluster, photo):
    """Its node refuses reads with 5xx, and `node init` and `node start` have it filled again."""
    data, reference, urls = photo
    wait_until("the mirror", lambda: is_mirrored(cluster, reference))
    remove_everything_in(root_of(cluster))
    for letter in ("o", "m", "t"):
        assert 500 <= read_from(cluster, NODE, urls[letter]) <= 599
        status, _, body = fetch(cluster, "west-nginx", urls[letter])
        assert status == 200
        assert letter != "o" or body == data
    wait_until("the warning", lambda: "check that the disk is mounted" in warnings(cluster))
    assert "glassplate node init" in warnings(cluster)
    assert cluster.cli("node", "stop", NODE).returncode == 0
    # What the node wrote before it noticed.
    remove_everything_in(root_of(cluster))
    assert cluster.cli("node", "init", NODE).returncode == 0
    assert cluster.cli("node", "start", NODE).returncode == 0
    wait_until("the repair", lambda: is_mirrored(cluster, reference))
    assert read_from(cluster, NODE, urls["o"]) == 200


def test_a_mistake_in_the_map_names_its_line_and_stops_nothing(cluster, photo):
    """Commands and starts fail until it is mended; running processes continue."""
    data, _, urls = photo
    config = cluster.data / "cluster.toml"
    edges = [edge.listen for edge in cluster.config.edges.values()]
    right = config.read_text()
    running = cluster.running()
    wrong = right.replace('"east-2", "west-2"', '"east-2", "west-9"')
    line = 1 + wrong.splitlines().index('mirrors = ["east-2", "west-9"]')
    try:
        config.write_text(wrong)
        shown = cluster.cli("status")
        assert shown.returncode == 2
        assert f"{config} has " in shown.stderr
        assert f"line {line}: volumes[3].mirrors: unknown node 'west-9'" in shown.stderr
        assert cluster.cli("node", "stop", NODE).returncode == 0
        started = cluster.cli("node", "start", NODE)
        assert started.returncode == 1
        assert f"line {line}: volumes[3].mirrors: unknown node 'west-9'" in started.stderr
        assert cluster.running() == {n: pid for n, pid in running.items() if n != NODE}
        assert [fetch_from(edge, urls["o"])[2] for edge in edges] == [data] * 3
    finally:
        config.write_text(right)
    assert cluster.cli("node", "start", NODE).returncode == 0
    assert cluster.running().keys() == running.keys()


def test_a_process_that_is_killed_comes_back(cluster):
    """`colo list` counts the restart."""
    killed = cluster.running()["west-master"]
    os.kill(killed, signal.SIGKILL)
    wait_until("a restart", lambda: cluster.running().get("west-master", killed) != killed)
    (listed,) = (each for each in cluster.control("list") if each["name"] == "west-master")
    assert listed["restarts"] == 1


def test_an_unknown_node_is_a_clear_error(cluster):
    """The message lists the processes."""
    shown = cluster.cli("node", "start", "north-1")
    assert shown.returncode == 1
    assert "unknown node 'north-1'; known processes: valkey, memcached-1, east-1" in shown.stderr


def test_no_other_user_can_read_anything(cluster, photo):
    """Varnish gives its own files rights, but they are below a folder of the owner."""
    assert photo
    roots = [Path(node.store) for node in cluster.config.nodes.values()]
    assert {stat.S_IMODE(root.stat().st_mode) for root in roots} == {0o700}
    varnish = cluster.data / "edges/varnish/run"
    assert stat.S_IMODE(varnish.stat().st_mode) == 0o700
    # Unlike rglob, walk does not mind a folder that a server removes meanwhile.
    paths = [
        Path(folder, name)
        for folder, folders, files in os.walk(cluster.data)
        for name in (*folders, *files)
    ]
    open_to_others = [path for path in [cluster.data, *paths] if rights_of_others(path)]
    assert [path for path in open_to_others if not path.is_relative_to(varnish)] == []


def rights_of_others(path):
    """Return what other users may do with a file, or 0 if it was removed meanwhile."""
    try:
        return path.stat().st_mode & stat.S_IRWXO
    except FileNotFoundError:
        return 0
