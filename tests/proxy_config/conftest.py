"""Shared fixtures of the edge tests: clusters of fake nodes, and an edge of each kind."""

import pytest

from tests.proxy_config.edge_requests import READ_KEYS
from tests.proxy_config.fake_node import FakeNode
from volumes.config.cluster_config import parse_cluster


@pytest.fixture(name="make_nodes", scope="module")
def _make_nodes(free_port):
    """Start fake nodes: make_nodes(2)."""
    nodes = []

    def make(count):
        made = [FakeNode(free_port()) for _ in range(count)]
        for node in made:
            node.start()
        nodes.extend(made)
        return made

    yield make
    for node in nodes:
        if node.is_running:
            node.stop()


@pytest.fixture(name="make_cluster", scope="module")
def _make_cluster(free_port):
    """Return a cluster of pairs: make_cluster({"1-5": (east port, west port)})."""

    def make(ports_of_volumes, *, store="x"):
        text = 'public_url = "http://photos.test"\nkeys_file = "keys"\nqueue_url = "redis://x"\n'
        for at, (numbers, ports) in enumerate(ports_of_volumes.items()):
            for colo, port in zip(("east", "west"), ports, strict=True):
                text += f'[nodes.{colo}-{at}]\ncolo = "{colo}"\nstore = "{store}"\n'
                text += f'read = "127.0.0.1:{port}"\nwrite = "127.0.0.1:{free_port()}"\n'
            text += f'[[volumes]]\nnumbers = "{numbers}"\nmirrors = ["east-{at}", "west-{at}"]\n'
        for kind in ("nginx", "varnish"):
            text += f'[edges.{kind}]\ncolo = "east"\nkind = "{kind}"\n'
            text += f'listen = "127.0.0.1:{free_port()}"\npurge = "127.0.0.1:{free_port()}"\n'
        text += f'[masters.one]\ncolo = "east"\naddress = "127.0.0.1:{free_port()}"\n'
        return parse_cluster(text)

    return make


@pytest.fixture(name="nodes", scope="module")
def _nodes(make_nodes):
    """Start the node in the edge's own colo, and its mirror in the other colo."""
    return make_nodes(2)


@pytest.fixture(name="start_edge", scope="module")
def _start_edge(request):
    """Start an edge of a kind: start_edge("nginx", cluster, **settings) -> RunningEdge."""

    def start(kind, cluster, **choices):
        return request.getfixturevalue(kind)(cluster, kind, READ_KEYS, **choices)

    return start


@pytest.fixture(name="numbers", scope="module")
def _numbers():
    """Volumes of the cluster; a module can override it."""
    return "42-43"


@pytest.fixture(name="cluster", scope="module")
def _cluster(make_cluster, nodes, numbers):
    """Return a cluster with all volumes on the same two nodes."""
    return make_cluster({numbers: [node.port for node in nodes]})


@pytest.fixture(name="edge", scope="module", params=["nginx", "varnish"])
def _edge(request, start_edge, cluster):
    """Run an edge of each kind."""
    return start_edge(request.param, cluster)
