"""Certificates of the cluster, as one storagemaster sees them, and the alerts before they end."""

from collections.abc import Iterable, Mapping
from typing import Any

from runtime.tls.certificate import Certificate
from runtime.tls.machine_name import (
    MachineName,
    Role,
    parse_machine_name,
)
from storagemaster.mirrors.fleet import NodeView
from storagemaster.operations.status_document import CertificateState, TlsState
from volumes.cluster import Cluster, NodeId
from volumes.machines import machines_of, permits_roles

ALERT_DAYS = 30
_SECONDS_PER_DAY = 86_400
_LOADING: dict[str, str] = {Role.QUEUE: "restart", Role.CACHE: "restart", Role.EDGE: "reload"}
"""The act that loads another certificate into a server that follows no file, by role."""


class Certificates:
    """The storagemaster's own certificate, and the expiry of all certificates that it has seen.

    `own` is None without TLS.
    """

    def __init__(self, cluster: Cluster, master: str, own: Certificate | None) -> None:
        self.own = own
        self.master = master
        self._expiry_seconds: dict[MachineName, float] = {}
        self.follow(cluster)

    def follow(self, cluster: Cluster) -> None:
        """Permit the workers of this volume map from now on, also on connections that exist."""
        own = self.own
        self._machines = {MachineName(Role.MASTER, self.master), *machines_of(cluster)}
        self._permits = None if own is None else permits_roles(cluster, own, Role.WORKER)

    def permits_worker(self, certificate: Mapping[str, Any] | None) -> bool:
        """Return True for a worker of the cluster; `own.clients` records its certificate's end."""
        return self._permits is None or self._permits(certificate)

    def remember(self, machine: MachineName, expiry_seconds: float) -> None:
        """Remember when the certificate of a machine ends."""
        self._expiry_seconds[machine] = expiry_seconds

    def document(self, views: Mapping[NodeId, NodeView], *, now_seconds: float) -> TlsState:
        """Return the certificates that this storagemaster and the nodes have seen.

        Machines that are down are included, machines that left the map are not.
        """
        if self.own is None:
            return TlsState(internal=False, certificates=[])
        found = self._expiry_seconds
        found |= self.own.clients | _clients_of_nodes(views)
        found[MachineName(Role.MASTER, self.master)] = self.own.expiry_seconds
        for id_, view in views.items():
            if view.status is not None and view.status.certificate_expiry_seconds:
                found[MachineName(Role.NODE, id_)] = view.status.certificate_expiry_seconds
        states = [
            CertificateState(
                role=machine.role,
                id=machine.id,
                days_left=int((expiry_seconds - now_seconds) // _SECONDS_PER_DAY),
            )
            for machine, expiry_seconds in found.items()
            if machine in self._machines
        ]
        return TlsState(internal=True, certificates=states)


def _clients_of_nodes(views: Mapping[NodeId, NodeView]) -> dict[MachineName, float]:
    """Return the ends of the certificates of edges and monitors, which connect to nodes only.

    The former end stays at a node until the machine connects to that node again.
    """
    latest: dict[MachineName, float] = {}
    for view in views.values():
        for text, end in (view.status.client_certificates if view.status else {}).items():
            machine = parse_machine_name(text)
            if machine is not None and machine.role in (Role.EDGE, Role.MONITOR):
                latest[machine] = max(end, latest.get(machine, end))
    return latest


def certificate_alerts(states: Iterable[CertificateState]) -> list[str]:
    """Return an alert for each certificate that ends soon or has ended.

    >>> certificate_alerts([CertificateState(role="node", id="east-1", days_left=40)])
    []
    >>> certificate_alerts([CertificateState(role="node", id="east-1", days_left=1)])[0][:47]
    'the certificate of node east-1 ends in 1 days: '
    """
    return [
        f"the certificate of {each['role']} {each['id']} "
        + (f"ends in {each['days_left']} days" if each["days_left"] >= 0 else "has ended")
        + ": renew it with `glassplate certs renew`, and copy it to its machine"
        + (f"; then {_LOADING[each['role']]} {each['id']}" if each["role"] in _LOADING else "")
        for each in states
        if each["days_left"] < ALERT_DAYS
    ]
