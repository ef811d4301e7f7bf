"""The certificate of one process, and what it connects and serves with.

Both contexts demand a certificate of the cluster's own authority from the other end. They follow
their files: a renewed certificate is used for every connection from then on, without a restart.
A removed authority ends its connections, and fresh contexts replace the ones that trust it.
"""

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from runtime.tasks_beside import run_beside
from runtime.tls.certificate_files import CertificateFiles
from runtime.tls.machine_name import MachineName

CHECK_SECONDS = 1.0
# A handshake takes milliseconds. A client that takes longer holds a descriptor.
HANDSHAKE_SECONDS = 5.0

log = logging.getLogger(__name__)


class CertificateRefused(OSError):
    """A process has no usable certificate. The message says what to do."""


class _Context(ssl.SSLContext):
    is_retired = False
    """True if it trusts an authority that has been removed."""


def is_retired(connection: ssl.SSLObject | ssl.SSLSocket) -> bool:
    """Return True if a connection was made by the rules of an authority that has been removed."""
    return isinstance(connection.context, _Context) and connection.context.is_retired


class Certificate:
    """The certificate of a process, with a context for each direction.

    Raises:
        CertificateRefused: A file is missing or damaged.
    """

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self.clients: dict[MachineName, float] = {}
        """The end of the last certificate of each client that was permitted, since the epoch."""
        self.server = self._serving = _context(ssl.PROTOCOL_TLS_SERVER)
        # A port keeps the context that it listens with, and each connection may get another.
        self.server.sni_callback = self._use_serving
        self.client = _context(ssl.PROTOCOL_TLS_CLIENT)
        self._authorities: frozenset[bytes] = frozenset()
        self._seen = self._identity()
        self._load()

    @property
    def expiry_seconds(self) -> float:
        """The end of the certificate that is in use, since the epoch."""
        return self._expiry_seconds

    def status_fields(self) -> dict[str, Any]:
        """Return the ends of this certificate and of the clients', for the status of a node."""
        clients = {str(name): int(end) for name, end in self.clients.copy().items()}
        return {
            "certificate_expiry_seconds": int(self.expiry_seconds),
            "client_certificates": clients,
        }

    def options_for(self, machine: MachineName) -> dict[str, Any]:
        """Return the options with which a client connects to one machine and to no other."""
        return {"ssl": self.client, "server_hostname": str(machine)}

    def check(self) -> None:
        """Load the files again if they have changed. A mistake in them changes nothing."""
        found = self._identity()
        if found == self._seen:
            return
        self._seen = found
        try:
            self._load()
        except CertificateRefused as error:
            log.warning("the certificate stays as it was: %s", error)
        else:
            log.info("%s was loaded again", self._files.certificate)

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Follow the files until the block exits."""

        async def follow() -> None:
            while True:
                await asyncio.sleep(CHECK_SECONDS)
                self.check()

        async with run_beside(follow()):
            yield

    def _load(self) -> None:
        files = self._files
        try:
            # Only what fresh contexts accept is loaded into those in use.
            serving, client = self._fresh(ssl.PROTOCOL_TLS_SERVER), self._fresh()
            authorities = frozenset(client.get_ca_certs(binary_form=True))
            if self._authorities <= authorities:
                self._load_into(self._serving)
                self._load_into(self.client)
            else:
                self._serving.is_retired = self.client.is_retired = True
                self._serving, self.client = serving, client
            self._authorities = authorities
            self._expiry_seconds = expiry_of(files.certificate.read_bytes())
        except (OSError, ValueError) as error:
            raise CertificateRefused(
                f"cannot use the certificate of {files.machine.role} {files.machine.id} in "
                f"{files.folder}: {error}; make one with `glassplate certs issue "
                f"{files.machine.role} {files.machine.id}`, or copy it to this machine"
            ) from error

    def _fresh(self, protocol: int = ssl.PROTOCOL_TLS_CLIENT) -> _Context:
        context = _context(protocol)
        self._load_into(context)
        return context

    def _load_into(self, context: _Context) -> None:
        context.load_verify_locations(self._files.authority)
        context.load_cert_chain(self._files.certificate)

    def _use_serving(self, connection: ssl.SSLObject | ssl.SSLSocket, *_: object) -> None:
        connection.context = self._serving

    def _identity(self) -> tuple[object, ...]:
        """Return values that change when a file is replaced or written."""
        return tuple(map(_identity_of, (self._files.authority, self._files.certificate)))


@contextlib.asynccontextmanager
async def followed_certificate(files: CertificateFiles | None) -> AsyncIterator[Certificate | None]:
    """Yield the certificate in some files, which it follows; or None, without files.

    Raises:
        CertificateRefused: A file is missing or damaged.
    """
    if files is None:
        yield None
        return
    certificate = Certificate(files)
    async with certificate.followed():
        yield certificate


def expiry_of(pem: bytes) -> float:
    """Return the end of the first certificate in a PEM text, since the epoch.

    Raises:
        ValueError: It has no certificate.
    """
    from cryptography import x509  # the client of a cluster needs no certificate

    return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()


def _context(protocol: int) -> _Context:
    context = _Context(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        # Connections are kept, so that no session is resumed.
        context.num_tickets = 0
    return context


def _identity_of(path: Path) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)  # noqa: PTH116  # called every second; pathlib is slower
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
