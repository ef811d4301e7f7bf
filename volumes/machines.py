"""The machines of a cluster, as their certificates name them, and who may connect."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runtime.tls.certificate import Certificate
from runtime.tls.certificate_files import CertificateFiles
from runtime.tls.machine_name import (
    MachineName,
    Role,
    expiry_in_certificate,
    name_in_certificate,
)
from volumes.cluster import Cluster

VALKEY = MachineName(Role.QUEUE, "valkey")
MEMCACHED = MachineName(Role.CACHE, "memcached")
PROMETHEUS = MachineName(Role.MONITOR, "prometheus")


def machines_of(cluster: Cluster) -> dict[MachineName, tuple[str, ...]]:
    """Return every machine that needs a certificate, with its hosts.

    The machines of a cluster call each other by role and id. Prometheus and redis-py only know the
    host.
    """
    colos = {node.colo for node in cluster.nodes.values()}
    colos |= {master.colo for master in cluster.masters.values()}
    return {
        **{
            MachineName(Role.MASTER, each.id): (each.for_workers.host,)
            for each in cluster.masters.values()
        },
        **{MachineName(Role.NODE, each.id): (each.write.host,) for each in cluster.nodes.values()},
        **{MachineName(Role.WORKER, colo): () for colo in sorted(colos)},
        **{MachineName(Role.EDGE, each): () for each in _edges_with_tls(cluster)},
        **_shared_servers(cluster),
        PROMETHEUS: (),
    }


def _edges_with_tls(cluster: Cluster) -> list[str]:
    """Return the edges that read from the nodes over TLS. Varnish cannot."""
    if all(node.read_tls is None for node in cluster.nodes.values()):
        return []
    return [edge.id for edge in cluster.edges.values() if edge.kind == "nginx"]


def _shared_servers(cluster: Cluster) -> dict[MachineName, tuple[str, ...]]:
    """Return the servers of all colos that speak TLS. redis-py knows only the host."""
    found: dict[MachineName, tuple[str, ...]] = {}
    url = urlsplit(cluster.queue_url)
    if url.scheme == "rediss":
        found[VALKEY] = (url.hostname or "",)
    if cluster.memcached:
        found[MEMCACHED] = tuple(address.host for address in cluster.memcached)
    return found


def certificate_files(cluster: Cluster, role: Role, id_: str) -> CertificateFiles | None:
    """Return the certificate files of one machine, or None without TLS."""
    if not cluster.tls.internal:
        return None
    return CertificateFiles(Path(cluster.tls.folder), MachineName(role, id_))


def own_certificate(cluster: Cluster, role: Role, id_: str) -> Certificate | None:
    """Return the certificate of one machine, or None without TLS.

    Raises:
        CertificateRefused: It is missing or damaged.
    """
    files = certificate_files(cluster, role, id_)
    return None if files is None else Certificate(files)


def permits_roles(
    cluster: Cluster,
    own: Certificate,
    *roles: Role,
    now_seconds: Callable[[], float] = time.time,
) -> Callable[[Mapping[str, Any] | None], bool]:
    """Return the check of a client's certificate: it must name a machine of one of these roles.

    TLS checks when a connection begins that neither certificate has ended. Connections last for
    days, so this check covers their ends as well. `own.clients` records the end of each.
    """
    permitted = {each for each in machines_of(cluster) if each.role in roles}

    def permits(certificate: Mapping[str, Any] | None) -> bool:
        name = name_in_certificate(certificate)
        if certificate is None or name not in permitted:
            return False
        own.clients[name] = expiry_in_certificate(certificate)
        return now_seconds() < min(own.expiry_seconds, own.clients[name])

    return permits
