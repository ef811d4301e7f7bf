"""The addresses of a local cluster, and whether they are free."""

import contextlib
import secrets
import socket
from urllib.parse import urlsplit

from volumes.address import Address
from volumes.cluster import Cluster
from volumes.config.config_reader import InvalidConfig, Problem

# Below the kernel's range for outgoing connections.
FIRST_PORT = 12_000
LAST_PORT = 30_000


class PortsInUse(Exception):
    """Ports that are in use. The message lists them with the processes that need them."""


def require_free_ports(cluster: Cluster) -> None:
    """Raise `PortsInUse` unless every address of the cluster is free."""
    taken = [f"{address} ({name})" for name, address in _addresses(cluster) if _is_taken(address)]
    if taken:
        listed = "\n  ".join(taken)
        raise PortsInUse(
            f"these ports are in use:\n  {listed}\n"
            "Stop the program that uses them, or start this cluster with another --port."
        )


def first_port(cluster: Cluster) -> int:
    """Return the port of the first edge, the base of a local cluster's ports."""
    edge = next(iter(cluster.edges.values()), None)
    master = next(iter(cluster.masters.values()))
    return edge.listen.port if edge else master.address.port


def free_port() -> int:
    """Return a port that is free now, outside the kernel's range for outgoing connections."""
    while True:
        port = secrets.choice(range(FIRST_PORT, LAST_PORT))
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def queue_address(cluster: Cluster) -> Address:
    """Return the address of the queue server that a local cluster runs.

    Raises:
        InvalidConfig: The queue server has no such address.
    """
    try:
        url = urlsplit(cluster.queue_url)
        if url.scheme == "redis" and url.hostname and url.port:
            return Address(url.hostname, url.port)
    except ValueError:
        pass
    message = (
        f'must be as in "redis://127.0.0.1:8110/0", because a local cluster runs its own queue '
        f"server; is {cluster.queue_url!r}"
    )
    raise InvalidConfig((Problem("queue_url", message),))


def _addresses(cluster: Cluster) -> list[tuple[str, Address]]:
    return [
        ("valkey", queue_address(cluster)),
        *(("memcached", address) for address in cluster.memcached),
        *((f"{n.id}, reads", n.read) for n in cluster.nodes.values()),
        *((f"{n.id}, writes", n.write) for n in cluster.nodes.values()),
        *((m.id, m.address) for m in cluster.masters.values()),
        *((f"{m.id}, workers", m.internal) for m in cluster.masters.values() if m.internal),
        *((e.id, e.listen) for e in cluster.edges.values()),
        *((f"{e.id}, purges", e.purge) for e in cluster.edges.values()),
        *((i.id, i.listen) for i in cluster.ingests.values()),
    ]


def _is_taken(address: Address) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return True
    return False
