"""The ports for viewers and edges, with and without TLS, which must refuse the same requests."""

import contextlib
import dataclasses
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from proxy_config.edge_settings import TlsFiles
from runtime.tls.machine_name import MachineName, Role
from tests.certificates import certificate, save
from tests.edge_servers import running_nginx, running_varnish
from tests.edges.read_targets import NODES, TARGETS, ReadTargets, make_site
from tests.free_ports import free_port
from tests.proxy_config.edge_requests import READ_KEYS, Response, send_request
from tests.storagenode.served_site import serving
from volumes.address import Address
from volumes.cluster import Cluster, Tls

ALL_TARGETS = (*TARGETS, "node over TLS", "nginx over TLS")
EDGE = MachineName(Role.EDGE, "nginx")


class TlsTargets(ReadTargets):
    """Targets of the same request. The nginx over TLS reads from the nodes over TLS."""

    tls: ssl.SSLContext

    def address(self, target: str) -> Address:
        """Return the address of a target."""
        if target == "node over TLS":
            read_tls = self.nodes["east-1"].node.read_tls
            assert read_tls is not None
            return read_tls
        return super().address(target)

    def send(
        self,
        target: str,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request to a target with its URL unchanged; return the response."""
        tls = self.tls if "TLS" in target else None
        return send_request(self.address(target), url, method=method, headers=headers, tls=tls)


@contextlib.contextmanager
def running_targets_with_tls(folder: Path) -> Iterator[TlsTargets]:
    """Run two nodes, and edges of all kinds, until the block exits."""
    site = make_site(folder)
    plain, cluster = site.cluster, _with_tls(site.cluster, folder / "tls")
    own = certificate(folder / "tls", EDGE)
    own.client.check_hostname = False
    files = str(save(folder / "tls", EDGE))
    with (
        serving(dataclasses.replace(site, cluster=cluster), [id_ for id_, _ in NODES]) as nodes,
        running_nginx(plain, "nginx", READ_KEYS) as nginx,
        running_varnish(plain, "varnish", READ_KEYS) as varnish,
        running_nginx(
            _with_other_ports(cluster),
            "nginx",
            READ_KEYS,
            tls=TlsFiles(certificate=files, key=files),
        ) as nginx_tls,
    ):
        edges = {"nginx": nginx, "varnish": varnish, "nginx over TLS": nginx_tls}
        targets = TlsTargets(site.keys, nodes, edges)
        targets.tls = own.client
        yield targets


def _with_tls(cluster: Cluster, folder: Path) -> Cluster:
    """Return the cluster with certificates, and with an address of each node for reads over TLS."""
    for role, id_ in ((Role.MASTER, "one"), *((Role.NODE, id_) for id_, _ in NODES)):
        save(folder, MachineName(role, id_))
    nodes = {
        id_: dataclasses.replace(node, read_tls=Address("127.0.0.1", free_port()))
        for id_, node in cluster.nodes.items()
    }
    return dataclasses.replace(cluster, nodes=nodes, tls=Tls(internal=True, folder=str(folder)))


def _with_other_ports(cluster: Cluster) -> Cluster:
    """Return the cluster with a second edge under the name of the first."""
    listen, purge = (Address("127.0.0.1", free_port()) for _ in range(2))
    edge = dataclasses.replace(cluster.edges["nginx"], listen=listen, purge=purge)
    return dataclasses.replace(cluster, edges={"nginx": edge})
