"""The client of the storagemasters' internal routes: how a worker hands in sizes."""

import hashlib
import time
from collections.abc import Callable, Sequence

import aiohttp
from yarl import URL

from permission_urls import InternalSigner
from storagemaster import wire
from volumes.cluster import Master
from volumes.photo_path import PhotoVersion

ANSWER_SECONDS = 15.0
CONNECT_SECONDS = 0.5
SIGNATURE_SECONDS = 300


class MasterRefused(Exception):
    """A storagemaster answered, and will not take the sizes: trying again is of no use."""


class NoMasterAnswered(Exception):
    """No storagemaster took the sizes now; the message has what each said."""


class MasterClient:
    """Speaks to whichever storagemaster answers, in the given order."""

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
        """Hand in the sizes of a version; they are on two nodes on return.

        Raises:
            MasterRefused: The photo is gone, or the bundle is wrong.
            NoMasterAnswered: Try again later.
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
                        total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS
                    ),
                ) as response:
                    if response.status == 200:
                        return
                    said = await response.text()
                    if response.status < 500:
                        raise MasterRefused(f"{master.id} answered {response.status}: {said}")
                    failures.append(f"{master.id} answered {response.status}: {said}")
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failures.append(f"{master.id}: {error or type(error).__name__}")
        raise NoMasterAnswered("; ".join(failures))

    def _sign(self, path: str, body: bytes) -> str:
        return self._signer.sign_request(
            method="POST",
            path=path,
            digest=hashlib.sha256(body).hexdigest(),
            expiry_seconds=int(self._now_seconds()) + SIGNATURE_SECONDS,
        )
