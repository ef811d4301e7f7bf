"""Networks of colos that a drill can cut: real namespaces, devices, and connections."""

import os
import socket
import subprocess
import sys

import pytest

from drill.cluster.namespaces import namespaces, with_hosts
from glassplate.local.plan import LocalPorts, render_local_cluster
from tests.free_ports import free_port
from volumes.config.cluster_config import parse_cluster

SERVE = """
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    server.accept()
"""


@pytest.fixture(name="networks", scope="module")
def _networks():
    assert os.geteuid() == 0, "run as root, which can make network namespaces"
    with namespaces(["east", "west"]) as networks:
        yield networks


@pytest.fixture(name="server", scope="module")
def _server(networks):
    """Return the address of a server in west."""
    host, port = networks.hosts["west"], free_port()
    argv = networks.command("west", [sys.executable, "-c", SERVE, host, str(port)])
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        yield host, port
        process.kill()


@pytest.mark.parametrize("direction", [("east", "west"), ("west", "east")])
def test_no_connection_between_colos_whose_packets_are_lost(networks, server, direction):
    """One lost direction is enough. Clients outside reach both colos meanwhile."""
    assert networks.connects("east", *server)
    networks.lose(*direction)
    assert not networks.connects("east", *server)
    with socket.create_connection(server, timeout=5):
        pass
    networks.deliver(*direction)
    assert networks.connects("east", *server, seconds_max=10)


def test_shared_services_are_outside(networks):
    """Each colo reaches them."""
    with socket.create_server((networks.outside, 0)) as server:
        port = server.getsockname()[1]
        assert networks.connects("east", networks.outside, port)
        assert networks.connects("west", networks.outside, port)


def test_each_process_has_the_address_of_its_colo():
    """The queue and Varnish have the address outside."""
    hosts = {"east": "198.18.0.1", "west": "198.18.0.2"}
    config = render_local_cluster(LocalPorts(21_000))
    cluster = parse_cluster(with_hosts(config, hosts, "198.18.0.0"))
    before = parse_cluster(config)
    for servers in ("nodes", "masters"):
        for id_, each in getattr(cluster, servers).items():
            address = each.read if servers == "nodes" else each.address
            assert address.host == hosts[each.colo], id_
    assert {str(edge.listen.host) for edge in cluster.edges.values()} == {
        *hosts.values(),
        "198.18.0.0",
    }
    assert cluster.edges["varnish"].purge.host == "198.18.0.0"
    assert cluster.memcached[0].host == "198.18.0.0"
    assert cluster.volumes == before.volumes
    assert "127.0.0.1" not in with_hosts(config, hosts, "198.18.0.0")
