"""Certificates of the cluster, as one storagemaster sees them, and the alerts before they end."""

from collections.abc import Iterable, Mapping
from typing import Any

from runtime.tls.certificate import Certificate
from runtime.tls.machine_name import (
    MachineName,
    Role,
    expiry_in_certificate,
    name_in_certificate,
)
from storagemaster.mirrors.fleet import NodeView
from storagemaster.operations.status_document import CertificateState, TlsState
from volumes.cluster import Cluster, NodeId
from volumes.machines import permits_roles

ALERT_DAYS = 30
_SECONDS_PER_DAY = 86_400
_LOADED_AT_START = {Role.QUEUE, Role.CACHE}
"""Roles of servers that follow no file."""


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
        self._permits = None if own is None else permits_roles(cluster, own, Role.WORKER)

    def permits_worker(self, certificate: Mapping[str, Any] | None) -> bool:
        """Return True for a worker of the cluster, and remember when its certificate ends."""
        if self._permits is None:
            return True
        if not self._permits(certificate):
            return False
        name = name_in_certificate(certificate)
        if name is not None and certificate is not None:
            self._expiry_seconds[name] = expiry_in_certificate(certificate)
        return True

    def remember(self, machine: MachineName, expiry_seconds: float) -> None:
        """Remember when the certificate of a machine ends."""
        self._expiry_seconds[machine] = expiry_seconds

    def document(self, views: Mapping[NodeId, NodeView], *, now_seconds: float) -> TlsState:
        """Return the certificates that this storagemaster has seen, also of machines now down."""
        if self.own is None:
            return TlsState(internal=False, certificates=[])
        found = self._expiry_seconds
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
        ]
        return TlsState(internal=True, certificates=states)


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
        + (f"; then restart {each['id']}" if each["role"] in _LOADED_AT_START else "")
        for each in states
        if each["days_left"] < ALERT_DAYS
    ]
