"""Certificates of the cluster, as one storagemaster sees them, and the alerts before they end."""

import ssl
from collections.abc import Mapping
from typing import Any

from runtime.tls.certificate import Certificate
from runtime.tls.machine_name import MachineName, Role, name_in_certificate
from storagemaster.mirrors.fleet import NodeView
from volumes.cluster import Cluster, NodeId
from volumes.machines import permits_roles

ALERT_DAYS = 30
_SECONDS_PER_DAY = 86_400


class Certificates:
    """The storagemaster's own certificate, and the expiry of all certificates that it has seen.

    `own` is None without TLS.
    """

    def __init__(self, cluster: Cluster, master: str, own: Certificate | None) -> None:
        self.own = own
        self.master = master
        self._permits = permits_roles(cluster, Role.WORKER)
        self._workers: dict[MachineName, float] = {}

    def permits_worker(self, certificate: Mapping[str, Any] | None) -> bool:
        """Return True for a worker of the cluster, and remember when its certificate ends."""
        if self.own is None:
            return True
        if not self._permits(certificate):
            return False
        name = name_in_certificate(certificate)
        if name is not None and certificate is not None:
            self._workers[name] = float(ssl.cert_time_to_seconds(certificate["notAfter"]))
        return True

    def alerts(self, views: Mapping[NodeId, NodeView], *, now_seconds: float) -> list[str]:
        """Return an alert for each certificate that ends soon or has ended."""
        if self.own is None:
            return []
        ends = {
            MachineName(Role.MASTER, self.master): self.own.expiry_seconds,
            **{
                MachineName(Role.NODE, id_): view.status.certificate_expiry_seconds
                for id_, view in views.items()
                if view.status is not None and view.status.certificate_expiry_seconds
            },
            **self._workers,
        }
        return [
            text
            for machine, expiry_seconds in ends.items()
            if (text := expiry_alert(machine, expiry_seconds, now_seconds=now_seconds))
        ]


def expiry_alert(machine: MachineName, expiry_seconds: float, *, now_seconds: float) -> str:
    """Return the alert about one certificate, or an empty text.

    >>> expiry_alert(MachineName(Role.NODE, "east-1"), 40 * 86_400, now_seconds=0)
    ''
    >>> expiry_alert(MachineName(Role.NODE, "east-1"), 86_400, now_seconds=0)[:47]
    'the certificate of node east-1 ends in 1 days: '
    """
    days = (expiry_seconds - now_seconds) / _SECONDS_PER_DAY
    if days >= ALERT_DAYS:
        return ""
    ends = f"ends in {days:.0f} days" if days > 0 else "has ended"
    return (
        f"the certificate of {machine.role} {machine.id} {ends}: renew it with "
        "`glassplate certs renew`, and copy it to its machine"
    )
