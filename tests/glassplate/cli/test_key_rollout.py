"""`glassplate keys add|promote`: a key signs once each edge has it, however long that takes."""

import http.server
import threading

import pytest
from click.testing import CliRunner

from glassplate.cli.commands import keys as keys_command
from glassplate.cli.main import main
from glassplate.local.plan import LocalPorts, render_local_cluster
from permission_urls import KeyState, Purpose, load_keys
from storagenode.protocol.agreement import KEYS_HEADER, agreed_headers
from volumes.cluster import Tls
from volumes.config.cluster_file import load_cluster

HOST = "127.0.0.1"
EDGE = "varnish"


class SlowEdge:
    """The purge port of an edge. It has the first keys until a number of requests."""

    def __init__(self, key_file, *, follows_after):
        self.requests = 0
        first = agreed_headers("", load_keys(key_file), Tls())[KEYS_HEADER]
        edge = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                edge.requests += 1
                present = agreed_headers("", load_keys(key_file), Tls())[KEYS_HEADER]
                self.send_response(200)
                self.send_header(KEYS_HEADER, present if edge.requests > follows_after else first)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer((HOST, 0), Handler)


@pytest.fixture(name="cluster")
def _cluster(tmp_path):
    """Return the path of the config of a cluster with keys; nothing of it runs."""
    path = tmp_path / "cluster.toml"
    path.write_text(render_local_cluster(LocalPorts(20_000)))
    assert keys(path, "init").exit_code == 0
    return path


@pytest.fixture(name="run_edge")
def _run_edge(cluster):
    """Return a function that runs a slow edge at an address of the config."""
    servers = []

    def run(follows_after):
        edge = SlowEdge(cluster.with_name("keys.toml"), follows_after=follows_after)
        purge = str(load_cluster(cluster).edges[EDGE].purge)
        port = edge.server.server_address[1]
        cluster.write_text(cluster.read_text().replace(purge, f"{HOST}:{port}"))
        threading.Thread(target=edge.server.serve_forever).start()
        servers.append(edge.server)
        return edge

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


def keys(cluster, *arguments):
    """Run `glassplate keys`."""
    return CliRunner().invoke(main, ["--cluster", str(cluster), "keys", *arguments])


def states(cluster):
    """Return the state of each key for URLs, by id."""
    ring = load_keys(cluster.with_name("keys.toml")).ring(Purpose.READ)
    return {key.key_id: key.state for key in ring.keys}


def test_a_key_signs_only_after_a_slow_edge_has_it(cluster, run_edge):
    """The least wait is not enough for an edge on a busy machine."""
    edge = run_edge(follows_after=2)
    added = keys(cluster, "add", "--purpose", "read", "--wait", "1s")
    assert added.exit_code == 0, added.stderr
    assert edge.requests == 3
    assert states(cluster) == {"a": KeyState.ACCEPTED, "b": KeyState.SIGNING}


def test_a_key_does_not_sign_while_an_edge_would_refuse_its_urls(cluster, run_edge, monkeypatch):
    """The message names the edge and the command for later, and the former key signs."""
    run_edge(follows_after=1_000_000)
    monkeypatch.setattr(keys_command, "ROLLOUT_SECONDS_MAX", 0.0)
    added = keys(cluster, "add", "--purpose", "read", "--purpose", "token", "--wait", "1s")
    assert added.exit_code == 1
    assert EDGE in added.stderr
    assert "glassplate keys promote --purpose read b" in added.stderr
    assert states(cluster) == {"a": KeyState.SIGNING, "b": KeyState.ACCEPTED}
    tokens = load_keys(cluster.with_name("keys.toml")).ring(Purpose.TOKEN)
    assert tokens.signing_key.key_id == "b"


def test_an_operator_can_sign_at_once(cluster, run_edge, monkeypatch):
    """`promote` waits as well, unless a leak has to end now."""
    run_edge(follows_after=1_000_000)
    monkeypatch.setattr(keys_command, "ROLLOUT_SECONDS_MAX", 0.0)
    assert keys(cluster, "add", "--purpose", "read", "--verify-only").exit_code == 0
    refused = keys(cluster, "promote", "--purpose", "read", "b")
    assert refused.exit_code == 1
    assert EDGE in refused.stderr
    assert keys(cluster, "promote", "--purpose", "read", "b", "--now").exit_code == 0
    assert states(cluster)["b"] is KeyState.SIGNING
