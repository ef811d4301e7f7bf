"""Client of the storagemasters' internal routes, with which a worker sends its bundles."""

import hashlib
import time
from collections.abc import Callable, Sequence

import aiohttp
from yarl import URL

from permission_urls import InternalSigner
from storagemaster import wire
from volumes.cluster import Master
from volumes.photo_path import PhotoVersion

RESPONSE_SECONDS = 15.0
CONNECT_SECONDS = 0.5
SIGNATURE_SECONDS = 300


class MasterRefused(Exception):
    """A storagemaster rejected the bundle permanently; a retry fails as well."""


class NoMasterAvailable(Exception):
    """No storagemaster accepted the bundle now; the message has the reason of each."""


class MasterClient:
    """Client that tries the storagemasters in the given order."""

    def __init__(
        self,
        masters: Sequence[Master],
        session: aiohttp.ClientSession,
        signer: InternalSigner,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._masters = masters
        self._session = session
        self._signer = signer
        self._now_seconds = now_seconds

    async def put_bundle(
        self, photo_version: PhotoVersion, body: bytes, *, mtime_seconds: int
    ) -> None:
        """Send the bundle of a version; on return it is on two nodes.

        Raises:
            MasterRefused: The photo is deleted, or the bundle is invalid.
            NoMasterAvailable: No storagemaster accepted the bundle; the caller can retry later.
        """
        path = f"{wire.bundle_path(photo_version)}?mtime={mtime_seconds}"
        failures = []
        for master in self._masters:
            try:
                async with self._session.post(
                    URL(f"http://{master.address}{path}", encoded=True),
                    data=body,
                    headers={wire.SIGNATURE_HEADER: self._sign(path, body)},
                    timeout=aiohttp.ClientTimeout(
                        total=RESPONSE_SECONDS, sock_connect=CONNECT_SECONDS
                    ),
                ) as response:
                    if response.status == 200:
                        return
                    failure = f"{master.id} returned {response.status}: {await response.text()}"
                    if response.status < 500:
                        raise MasterRefused(failure)
                    failures.append(failure)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failures.append(f"{master.id}: {error or type(error).__name__}")
        raise NoMasterAvailable("; ".join(failures))

    def _sign(self, path: str, body: bytes) -> str:
        return self._signer.sign_request(
            method="POST",
            path=path,
            digest=hashlib.sha256(body).hexdigest(),
            expiry_seconds=int(self._now_seconds()) + SIGNATURE_SECONDS,
        )
