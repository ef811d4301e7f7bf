"""Client of the storagemasters' internal routes, with which workers deliver sizes."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import aiohttp
from yarl import URL

from permission_urls import SIGNATURE_SECONDS, InternalSigner
from runtime.request_scope import forwarded_headers
from runtime.tls.certificate import Certificate
from runtime.tls.machine_name import MachineName, Role
from storagemaster import wire
from volumes.cluster import Master
from volumes.photo_path import PhotoVersion

RESPONSE_SECONDS = 15.0
# A storagemaster takes part in the handshake of TLS, and a busy one is late.
CONNECT_SECONDS = 1.5


class MasterRefused(Exception):
    """A storagemaster rejected the sizes permanently: a retry would fail as well."""


class NoMasterAvailable(Exception):
    """No storagemaster stored the sizes now; the message has the reason of each."""


class MasterClient:
    """Client of the first storagemaster that responds, in the given order."""

    def __init__(
        self,
        masters: Sequence[Master],
        session: aiohttp.ClientSession,
        signer: InternalSigner,
        certificate: Certificate | None = None,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._masters = masters
        self._session = session
        self._signer = signer
        self._certificate = certificate
        self._now_seconds = now_seconds

    async def put_bundle(
        self, photo_version: PhotoVersion, body: bytes, *, mtime_seconds: int
    ) -> None:
        """Deliver the sizes of a version; they are fsynced on two nodes on return.

        Raises:
            MasterRefused: The photo was deleted, or the bundle is malformed.
            NoMasterAvailable: No storagemaster stored the sizes; try again later.
        """
        path = wire.BUNDLE.path(asdict(photo_version), [("mtime", str(mtime_seconds))])
        timeout = aiohttp.ClientTimeout(total=RESPONSE_SECONDS, sock_connect=CONNECT_SECONDS)
        digest = hashlib.sha256(body).hexdigest()
        failures = []
        scheme = "https" if self._certificate else "http"
        for master in self._masters:
            try:
                async with self._session.request(
                    wire.BUNDLE.method,
                    URL(f"{scheme}://{master.for_workers}{path}", encoded=True),
                    data=body,
                    headers={
                        wire.SIGNATURE_HEADER: self._sign(master, path, digest),
                        wire.SIGNED_DIGEST_HEADER: digest,
                        **forwarded_headers(),
                    },
                    timeout=timeout,
                    **self._tls_of(master),
                ) as response:
                    if response.status == 200:
                        return
                    reason = f"{master.id} returned {response.status}: {await response.text()}"
                    if response.status < 500:
                        raise MasterRefused(reason)
                    failures.append(reason)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failures.append(f"{master.id}: {error or type(error).__name__}")
        raise NoMasterAvailable("; ".join(failures))

    def _tls_of(self, master: Master) -> dict[str, Any]:
        if self._certificate is None:
            return {}
        return self._certificate.options_for(MachineName(Role.MASTER, master.id))

    def _sign(self, master: Master, path: str, digest: str) -> str:
        return self._signer.sign_request(
            receiver=master.id,
            method=wire.BUNDLE.method,
            path=path,
            digest=digest,
            expiry_seconds=int(self._now_seconds()) + SIGNATURE_SECONDS,
        )
