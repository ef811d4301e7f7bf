"""docs/operations.md: its commands grow and shrink a running cluster, and no request is lost."""

import contextlib
import json
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.docs.pages import blocks, read_page, section
from tests.free_ports import free_port_block
from tests.journey.running_cluster import EDGES, fetch, start_cluster, stop_cluster, wait_until
from tests.journey.test_key_rotation import Load
from volumes.config.cluster_file import MAP_NAME

PAGE = read_page("docs/operations.md")


@pytest.fixture(name="own_cluster")
def _own_cluster(tmp_path_factory):
    """Return a cluster that only this test uses, because it changes where volumes are."""
    cluster = start_cluster(tmp_path_factory.mktemp("operations") / "data")
    yield cluster
    stop_cluster(cluster)


def commands_of(heading):
    """Return the commands of a section, as lists of arguments."""
    lines = "\n".join(blocks(section(PAGE, heading), "sh")).splitlines()
    found = [shlex.split(line) for line in lines]
    assert all(each[0] == "glassplate" for each in found)
    return [each[1:] for each in found]


def run(cluster, heading, replaced=None, *, statuses=(0,)):
    """Run the commands of a section with other words in place of the page's."""
    for arguments in commands_of(heading):
        done = cluster.cli(*((replaced or {}).get(each, each) for each in arguments))
        # pytest cuts the middle out of long messages of assertions.
        if done.returncode not in statuses:
            pytest.fail(f"{shlex.join(arguments)}: {done.stdout}\n{done.stderr}")


@contextlib.contextmanager
def added_node(cluster, id_, heading="## Add a node"):
    """Add a node as the page says, and run its process until the block exits."""
    read, write = (f"127.0.0.1:{free_port_block(1)}" for _ in range(2))
    words = {
        "east-3": id_,
        "east": id_.split("-")[0],
        "10.1.0.3:7101": read,
        "10.1.0.3:7201": write,
        "10.3.0.1:7101": read,
        "10.3.0.1:7201": write,
        "/srv/disk1": str(cluster.data / id_),
    }
    run(cluster, heading, words)
    command = [sys.executable, "-m", "storagenode", "--node", id_]
    command += ["--config", str(cluster.data / "cluster.toml")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_until("the new node", lambda: is_up(cluster, id_))
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def machines_alone(cluster):
    """Run an edge's config and a worker on machines without a storagemaster; yield their folders.

    Each has the config and its own keys only.
    """
    edge = "glassplate --cluster cluster.toml proxy-config nginx --edge east-nginx --out edge"
    edge += f" --watch --run-dir {cluster.data.parent / 'edge'}"
    worker = "imageworker --config cluster.toml --colo east --metrics off"
    purposes = {"edge": ("read", "map"), "worker": ("internal", "job", "map")}
    with contextlib.ExitStack() as stack:
        folders = {}
        for role, words in (("edge", edge), ("worker", worker)):
            folder = folders[role] = cluster.data.parent / role
            folder.mkdir()
            for path in cluster.data.glob("*"):
                if path.is_file() and path.name not in {"keys.toml", MAP_NAME}:
                    shutil.copy(path, folder)
            shutil.copytree(cluster.data / "tls", folder / "tls")
            named = [word for each in purposes[role] for word in ("--purpose", each)]
            exported = cluster.cli("keys", "export", *named, "--out", str(folder / "keys.toml"))
            assert exported.returncode == 0, exported.stderr
            command = [sys.executable, "-m", *words.split()]
            process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        yield folders


def is_up(cluster, node):
    """Return True if the storagemasters reach a node."""
    with cluster.client() as client:
        return any(each["id"] == node and each["up"] for each in client.status()["nodes"])


def mirrors_by_volume(cluster):
    """Return the mirrors of each volume."""
    with cluster.client() as client:
        return {each["number"]: each["mirrors"] for each in client.status()["volumes"]}


def check_served(cluster, *receipts):
    """Check that every edge serves these photos."""
    for photo in receipts:
        assert {fetch(cluster, edge, photo.urls["o"])[0] for edge in EDGES} == {200}


def test_the_commands_of_the_page_change_a_cluster_under_load(own_cluster, jpeg):
    """A node joins, new volumes open on it, one moves to it, and it is drained and removed."""
    cluster = own_cluster
    with cluster.client() as client:
        receipt = client.put(jpeg(1), volume=1)
    run(cluster, "## See how full it is")
    check_machines_alone(cluster)
    with added_node(cluster, "east-3"), Load(cluster, jpeg) as load:
        run(cluster, "## Open more volumes")
        assert mirrors_by_volume(cluster)[9] == ["east-3", "west-1"]
        run(cluster, "## Change the share of a node")
        with cluster.client() as client:
            later = client.put(jpeg(2), volume=9)
        moved = mirrors_by_volume(cluster)[1]
        run(cluster, "## Move one volume")
        assert set(mirrors_by_volume(cluster)[1]) == {*moved, "east-3"} - {"east-1"}
        check_served(cluster, receipt, later)
        run(cluster, "## Take a node out", {"east-1": "east-3"})
        assert not any("east-3" in mirrors for mirrors in mirrors_by_volume(cluster).values())
        check_served(cluster, receipt, later)
        check_drained_colo(cluster)
    assert load.refused == []


def check_machines_alone(cluster):
    """Check that machines without a storagemaster follow a node that comes and goes."""
    add = "node add east-9 --colo east --read 10.9.9.9:1 --write 10.9.9.9:2 --store /x --apply"
    with machines_alone(cluster) as folders:
        routes = folders["edge"] / "edge" / "routes.lua"
        for command, is_there in ((add, True), ("node remove east-9 --apply", False)):
            done = cluster.cli(*command.split())
            assert done.returncode == 0, done.stderr
            in_force = (cluster.data / MAP_NAME).read_text()
            for role, folder in folders.items():
                path = folder / MAP_NAME
                wait_until(role, lambda p=path, m=in_force: p.exists() and p.read_text() == m)
            wait_until("routes", lambda i=is_there: ("10.9.9.9:1" in routes.read_text()) is i)


def check_drained_colo(cluster):
    """Check that a colo is drained to a third one only, and that the log has all of it."""
    refused = cluster.cli("colo", "drain", "west", "--apply")
    assert refused.returncode == 1
    assert "no node is left in a colo without them; add a node there, or a colo" in refused.stderr
    with added_node(cluster, "north-1", "## Add a colo"):
        plan, _ = commands_of("## Take a colo out")
        # Volumes that are not measured or repaired yet are obstacles, and no refusal.
        found = cluster.cli(*plan, "--json")
        moves = json.loads(found.stdout)["plan"]["moves"]
        assert {move["target"] for move in moves} <= {"north-1"}, found.stderr
        assert (
            cluster.cli("colo", "add", "north", "--node", "n-2", "h:1", "h:2", "/x").returncode == 1
        )
        found = cluster.cli(*commands_of("## See what changed")[0], "--json")
        versions = json.loads(found.stdout)["versions"]
        assert versions[0]["why"] == "add colo north"
        assert "storagemaster" in {each["by"] for each in versions}
        assert {each["what"] for each in versions[0]["changes"]} == {"node north-1"}
