"""The certificates of the queue server and of memcached, which report no status of their own."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from runtime.lag_free_timeout import lag_free_timeout
from runtime.tls.certificate import Certificate
from runtime.tls.machine_name import MachineName, expiry_in_certificate
from storagemaster.operations.certificates import Certificates
from storagemaster.queue_client import TLS_SCHEME
from volumes.address import Address
from volumes.cluster import Cluster
from volumes.machines import MEMCACHED, VALKEY

CHECK_SECONDS = 30.0
HANDSHAKE_SECONDS_MAX = 5.0
_HAS_EXPIRED = 10
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED."""
_QUEUE_PORT = 6379


class ServerCertificates:
    """Looks at the certificates of the servers by a handshake with each of them."""

    def __init__(self, cluster: Cluster, certificates: Certificates) -> None:
        self._servers = tuple(_tls_servers(cluster))
        self._certificates = certificates

    async def look(self) -> None:
        """Remember when the certificate of each server ends.

        Servers of one name share a certificate, but one can still use a former one.
        """
        own = self._certificates.own
        if own is None:
            return
        earliest: dict[MachineName, float] = {}
        for machine, address in self._servers:
            expiry = await _expiry_at(address, machine, own)
            if expiry is not None:
                earliest[machine] = min(expiry, earliest.get(machine, expiry))
        for machine, expiry in earliest.items():
            self._certificates.remember(machine, expiry)


def _tls_servers(cluster: Cluster) -> Iterator[tuple[MachineName, Address]]:
    if not cluster.tls.internal:
        return
    if cluster.queue_url.startswith(TLS_SCHEME):
        url = urlsplit(cluster.queue_url)
        yield VALKEY, Address(url.hostname or "", url.port or _QUEUE_PORT)
    for address in cluster.memcached:
        yield MEMCACHED, address


async def _expiry_at(address: Address, machine: MachineName, own: Certificate) -> float | None:
    """Return when the certificate at an address ends, or None if it is not one of the cluster."""
    try:
        async with lag_free_timeout(HANDSHAKE_SECONDS_MAX):
            options = own.options_for(machine)
            _, writer = await asyncio.open_connection(address.host, address.port, **options)
    except ssl.SSLCertVerificationError as error:
        # A certificate that has ended is not shown to the caller.
        return time.time() - 1 if error.verify_code == _HAS_EXPIRED else None
    except (OSError, TimeoutError):
        return None
    expiry = expiry_in_certificate(writer.get_extra_info("peercert"))
    # The loop of the connection may be closed already.
    with contextlib.suppress(RuntimeError):
        writer.transport.abort()
    return expiry
