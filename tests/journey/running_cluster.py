"""A whole cluster in a separate process, run by `glassplate up`."""

import contextlib
import http.client
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from glassplate.blocking import Client
from glassplate.local.control import send_control_request
from glassplate.local.plan import PORTS_USED
from glassplate.session.new_tokens import sign_new_token
from permission_urls import load_keys
from tests.free_ports import free_port_block
from volumes.config.cluster_file import load_cluster

UP_SECONDS_MAX = 60.0
EDGES = ("east-nginx", "west-nginx", "varnish")
CONVERGE_SECONDS_MAX = 60.0


@dataclass
class RunningCluster:
    """A cluster that `glassplate up` runs in a separate process."""

    data: Path
    process: subprocess.Popen

    @property
    def config(self):
        """Parsed `cluster.toml`."""
        return load_cluster(self.data / "cluster.toml")

    def token(self, *scopes):
        """Return an API token for these scopes."""
        return sign_new_token(load_keys(self.data / "keys.toml"), scopes)

    def client(self):
        """Return a client with all scopes."""
        masters = [f"http://{master.address}" for master in self.config.masters.values()]
        return Client(
            masters,
            token=self.token("upload", "read", "original", "delete", "admin", "status", "audit"),
        )

    def control(self, do, colo=None):
        """Stop or start a colo, as `glassplate colo` does."""
        answer = send_control_request(self.data / "run", {"do": do, "colo": colo})
        assert "error" not in answer, answer
        return answer["processes"]

    def cli(self, *arguments):
        """Run `glassplate` against this cluster; return its exit status and its output."""
        command = [sys.executable, "-m", "glassplate", "--cluster", str(self.data / "cluster.toml")]
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=120, check=False
        )

    def running(self):
        """Return the names of the processes that run, with their pids."""
        return {each["name"]: each["pid"] for each in self.control("list") if each["pid"]}

    def files_of(self, reference):
        """Return the photo's files on every node, without hidden directories: name to bytes."""
        volume, photo, _ = reference.split("/")
        found = {}
        for node in self.config.nodes.values():
            shard = Path(node.store) / volume / photo[-2:]
            files = {p.name: p.read_bytes() for p in shard.glob(f"{photo}*")}
            if files:
                found[node.id] = files
        return found


def wait_until(what, holds, *, seconds_max=CONVERGE_SECONDS_MAX):
    """Return when `holds()` is true; fail with a description after the timeout."""
    deadline = time.monotonic() + seconds_max
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds_max} s for {what}"
        time.sleep(0.1)


def start_cluster(data, *, port=None, samples=False):
    """Run `glassplate up`; return when everything has started."""
    command = [sys.executable, "-m", "glassplate", "up", "--data", str(data)]
    command += ["--port", str(port or free_port_block(PORTS_USED))]
    command += [] if samples else ["--no-samples"]
    with (data.parent / f"{data.name}.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + UP_SECONDS_MAX
    while True:
        assert process.poll() is None, (data.parent / f"{data.name}.log").read_text()
        assert time.monotonic() < deadline, "the cluster did not come up"
        with contextlib.suppress(Exception):
            if send_control_request(data / "run", {"do": "list"})["ready"]:
                return RunningCluster(data, process)
        time.sleep(0.1)


def fetch(cluster, edge, url, *, method="GET", headers=None):
    """Request a URL's path from one edge; return status, headers, and body."""
    return fetch_from(cluster.config.edges[edge].listen, url, method=method, headers=headers)


def read_from(cluster, node, url):
    """Request a URL's path from the read port of one node; return the status."""
    return fetch_from(cluster.config.nodes[node].read, url)[0]


def fetch_from(address, url, *, method="GET", headers=None):
    """Request a URL's path from one address; return status, headers, and body."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=30)
    try:
        connection.request(method, urlsplit(url).path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def stop_cluster(cluster):
    """Stop it as Ctrl-C does; return its exit status."""
    cluster.process.send_signal(signal.SIGINT)
    return cluster.process.wait(30)
