"""A client of a simulated cluster that uploads photos in parts, at any storagemaster."""

import asyncio
import hashlib
from random import Random

from storagemaster.errors import (
    MasterError,
    OffsetMismatch,
    PhotoGone,
    Unavailable,
    UnknownUpload,
)
from storagemaster.resumable.resumable_uploads import Progress
from storagemaster.resumable.upload_url import ResumableUpload
from storagemaster.uploads.upload_body import DeclaredBody
from storagemaster.uploads.uploads import UploadRequest
from storagenode.protocol.errors import NodeError
from tests.simulation.clients import ALL_URLS, Clients, NoResponse, photo_body
from tests.simulation.response_checks import check_lost, check_receipt, check_stored

ATTEMPTS_MAX = 12
# The header of a photo is longer than this.
PART_BYTES_MAX = 30


class ResumableClient:
    """Uploads in parts, which continue after every fault."""

    def __init__(self, clients: Clients, random: Random) -> None:
        self._clients = clients
        self._random = random
        self._numbers = iter(range(500_000, 1_000_000))

    async def upload(self) -> None:
        """Upload a photo in parts, each at any storagemaster."""
        number = next(self._numbers)
        body = photo_body(self._random, number)
        self._clients.ledger.send_body(body)
        request = UploadRequest(
            declared=DeclaredBody(bytes_total=len(body)),
            idempotency_key=f"resumed {number}" if self._random.random() < 0.5 else None,
        )
        started = self._clients.ledger.now()
        try:
            upload, _ = await self._clients.request(
                lambda master: master.resumable.begin(request, metadata="", token_id="")
            )
        except (NoResponse, MasterError, NodeError) as error:
            self._clients.ledger.log(f"not begun: {type(error).__name__}")
            return
        for _ in range(ATTEMPTS_MAX):
            try:
                progress = await self._continue(upload, body)
            except (OffsetMismatch, Unavailable, NoResponse, NodeError, ConnectionResetError) as e:
                self._clients.ledger.log(f"not continued: {type(e).__name__}")
                await asyncio.sleep(self._random.random())
                continue
            except PhotoGone:
                return
            except UnknownUpload:
                check_lost(self._clients.world, upload.photo_version, started)
                return
            except MasterError as error:
                self._clients.ledger.add_violation(
                    f"C1: {upload.photo_version} ends with {error!r}"
                )
                return
            if progress.is_stored:
                self._acknowledge(upload, body, progress, request, started)
                return

    async def _continue(self, upload: ResumableUpload, body: bytes) -> Progress:
        """Request the offset, and send the next part unless all is stored."""
        progress = await self._clients.request(
            lambda master: master.resumable.progress(upload, urls=ALL_URLS)
        )
        if progress.is_stored:
            return progress
        offset, whole = progress.offset, self._random.random() < 0.3
        part = body[offset : offset + self._random.randint(1, PART_BYTES_MAX)]
        return await self._clients.request(
            lambda master: master.resumable.append(
                upload, self._clients.chunks(part), offset=offset, whole=whole, urls=ALL_URLS
            )
        )

    def _acknowledge(
        self,
        upload: ResumableUpload,
        body: bytes,
        progress: Progress,
        request: UploadRequest,
        started: float,
    ) -> None:
        world = self._clients.world
        check_stored(world, upload.photo_version, hashlib.sha256(body).hexdigest(), started)
        if progress.receipt is None:
            return  # another request has the receipt
        check_receipt(world, progress.receipt, body, request, started)
        self._clients.acknowledge_upload(progress.receipt, body, started)
