"""The storagemasters alert before the certificates of edges and of Prometheus end."""

import dataclasses
from types import SimpleNamespace

import pytest

from runtime.tls.machine_name import MachineName, Role
from storagemaster.operations.certificates import Certificates, certificate_alerts
from tests.certificates import MASTER, certificate
from tests.storagemaster.small_cluster import node_cluster
from volumes.address import Address
from volumes.cluster import Edge, Tls

EDGE = MachineName(Role.EDGE, "web")
DAY = 86_400


@pytest.fixture(name="certificates")
def _certificates(roots, tmp_path):
    """Return the certificates of a cluster whose edge reads from the nodes over TLS."""
    plain = node_cluster(roots)
    nodes = {
        id_: dataclasses.replace(node, read_tls=Address("127.0.0.1", 1))
        for id_, node in plain.nodes.items()
    }
    edge = Edge(
        id="web", colo="east", kind="nginx", listen=Address("127.0.0.1", 2),
        purge=Address("127.0.0.1", 3),
    )  # fmt: skip
    tls = Tls(internal=True, folder=str(tmp_path))
    cluster = dataclasses.replace(plain, nodes=nodes, edges={"web": edge}, tls=tls)
    return cluster, Certificates(cluster, "m1", certificate(tmp_path, MASTER))


def seen_by_nodes(certificates, *clients):
    """Return the days left by machine, as nodes have seen it."""
    views = {
        f"n{number}": SimpleNamespace(
            status=SimpleNamespace(certificate_expiry_seconds=0, client_certificates=each)
        )
        for number, each in enumerate(clients)
    }
    states = certificates.document(views, now_seconds=0)["certificates"]
    return {each["id"]: each["days_left"] for each in states if each["id"] != "m1"}, states


@pytest.mark.parametrize("machine", ["web.edge.glassplate", "prometheus.monitor.glassplate"])
def test_the_end_of_a_clients_certificate_is_an_alert(certificates, machine):
    """The newest that any node has seen counts, because the other may be of a former connection."""
    _, certificates = certificates
    id_ = machine.partition(".")[0]
    days, states = seen_by_nodes(certificates, {machine: 29 * DAY}, {machine: 9 * DAY})
    assert days == {id_: 29}
    (alert,) = certificate_alerts([each for each in states if each["id"] == id_])
    assert f" {id_} ends in 29 days" in alert
    assert alert.endswith("then reload web") == (id_ == "web")
    days, states = seen_by_nodes(certificates, {machine: 365 * DAY}, {machine: 9 * DAY})
    assert days == {id_: 365}
    assert certificate_alerts([each for each in states if each["id"] == id_]) == []


def test_only_edges_and_monitors_are_taken_from_nodes(certificates):
    """Other machines report their certificates themselves; a name of no machine is ignored."""
    _, certificates = certificates
    names = {"west-1.node.glassplate": 9 * DAY, "x": 1, "gone.edge.glassplate": 9 * DAY}
    assert seen_by_nodes(certificates, names)[0] == {}


def test_a_machine_that_left_the_map_has_no_alert(certificates):
    """No other machine accepts its certificate."""
    cluster, certificates = certificates
    assert seen_by_nodes(certificates, {str(EDGE): 9 * DAY})[0] == {"web": 9}
    certificates.follow(dataclasses.replace(cluster, edges={}))
    assert seen_by_nodes(certificates)[0] == {}
