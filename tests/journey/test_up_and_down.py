"""`glassplate up`: start, port conflicts, existing data, and cleanup."""

import re
import subprocess
import sys

import pytest

from glassplate.local.plan import PORTS_USED
from tests.free_ports import free_port_block
from tests.journey.running_cluster import EDGES, fetch, start_cluster, stop_cluster


def processes_of(data):
    """Return the command lines of processes with a data directory."""
    listing = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return [line for line in listing.stdout.splitlines() if str(data) in line]


def printed_by(data):
    """Return the lines that `up` has printed for a data directory."""
    return (data.parent / f"{data.name}.log").read_text().splitlines()


@pytest.fixture(name="data", scope="module")
def _data(tmp_path_factory):
    return tmp_path_factory.mktemp("up") / "data"


def test_samples_are_uploaded_once_and_found_again(data):
    """The second `up` serves the photos of the first, and uploads none."""
    port = free_port_block(PORTS_USED)
    first = start_cluster(data, port=port, samples=True)
    receipts = sorted((data / "nodes").rglob("*_o.jpg"))
    assert stop_cluster(first) == 0
    assert processes_of(data) == []
    assert len(receipts) > 0
    lines = printed_by(data)
    photos = len({path.name for path in receipts})
    assert [line for line in lines if line.startswith(f"{photos} sample photos are ready")]
    assert [line for line in lines if re.fullmatch(r"http://[^ ]+/console/sign-in#[^ ]+", line)]
    assert not [
        each
        for each in lines
        if len(each.replace(str(data), "data")) > 80
        and not each.startswith(("http://", "  TOKEN="))
    ]
    second = start_cluster(data, samples=True)
    try:
        shown = "\n".join(printed_by(data)[len(lines) :])
        assert (
            f"This cluster moves from port {port} to {second.config.edges[EDGES[0]].listen.port}."
            in shown
        )
        assert sorted((data / "nodes").rglob("*_o.jpg")) == receipts
        with second.client() as client:
            path = receipts[0].relative_to(data / "nodes").parts
            photo, version, _ = path[3].split("_")
            url = client.info(f"{path[1]}/{photo}/{version}").urls["o"]
        for edge in EDGES:
            assert fetch(second, edge, url)[2] == receipts[0].read_bytes()
    finally:
        assert stop_cluster(second) == 0
    assert processes_of(data) == []


def test_ports_in_use_are_a_clear_error(cluster, tmp_path):
    """The error of another cluster lists the ports in use, and nothing starts."""
    port = cluster.config.edges["east-nginx"].listen.port
    command = [sys.executable, "-m", "glassplate", "up"]
    command += ["--data", str(tmp_path / "data"), "--port", str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
    assert processes_of(tmp_path) == []
