"""The requests of an open client to storagemasters and edges, over one connection pool."""

import asyncio
import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import aiohttp

from glassplate.errors import ClusterError, ContentMismatch, InvalidResponse, UsageError
from glassplate.session.downloads import Downloaded, download
from glassplate.session.exchange import Progress, Request, SendProgress
from glassplate.session.masters import Credentials, Masters
from glassplate.session.regeneration import Regeneration
from glassplate.session.retries import Retries, Timeouts
from glassplate.session.sinks import Sink
from glassplate.session.sources import Body, MemoryBody, Source, open_source
from glassplate.session.tiering import Tiering
from glassplate.urls.references import PhotoReference
from storagemaster import wire
from storagemaster.wire import Deletion, PhotoStatus, Receipt, Revocation
from volumes.photo_path import PhotoVersion

IDEMPOTENCY_KEY_BYTES = 16
# The storagemaster copies the whole photo before it responds.
UNDELETE_SECONDS_MIN = 300.0

_Document = TypeVar("_Document")


class ClusterSession:
    """A connection to a cluster, until it is closed."""

    def __init__(
        self,
        servers: Sequence[str],
        credentials: Credentials,
        *,
        retries: Retries,
        timeouts: Timeouts,
    ) -> None:
        self._retries = retries
        self._timeouts = timeouts
        # Callers limit concurrency. Timeouts apply to progress, not to the total.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect_seconds),
        )
        self._masters = Masters(
            servers, self._session, credentials, retries=retries, timeouts=timeouts
        )
        self.regeneration = Regeneration(self._masters)
        self.tiering = Tiering(self._masters)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        # aiohttp closes aborted connections in the loop's next iteration, which may be its last.
        await asyncio.sleep(0)

    async def upload(
        self,
        source: Source,
        *,
        length: int | None,
        volume: int | None,
        durability: str | None,
        idempotency_key: str | None,
        on_progress: Progress | None,
    ) -> Receipt:
        """Upload a photo, and check the receipt against the sent bytes."""
        body = await open_source(source, length)
        is_fresh = idempotency_key is None
        key = idempotency_key or secrets.token_urlsafe(IDEMPOTENCY_KEY_BYTES)
        if idempotency_key is not None:
            _check_idempotency_key(idempotency_key)
        headers = {wire.IDEMPOTENCY_HEADER: key}
        if durability is not None:
            headers[wire.DURABILITY_HEADER] = durability
        if body.sha256 is not None:
            headers[wire.DIGEST_HEADER] = _digest_header(body.sha256)
        request = Request(
            route=wire.UPLOAD,
            query=[("volume", str(volume))] if volume is not None else [],
            headers={"Content-Type": "application/octet-stream", **headers},
            # Only a new key cannot have been used before.
            first_attempt_headers={wire.FIRST_ATTEMPT_HEADER: "1"} if is_fresh else {},
            body=body,
            on_progress=on_progress,
        )
        sent = SendProgress()
        try:
            response = await self._masters.send(request, sent=sent)
            receipt = _parse(wire.parse_receipt, response.document())
            _check_digest(receipt, body, sent)
        except ClusterError as error:
            error.idempotency_key = key
            raise
        return receipt

    async def photo(self, photo_version: PhotoVersion) -> PhotoStatus:
        """Return the state of a photo version."""
        request = Request(route=wire.PHOTO, fields=asdict(photo_version))
        return await self._document(request, wire.parse_status)

    async def photos(self, versions: Sequence[PhotoVersion]) -> list[PhotoStatus]:
        """Return the states of many photo versions, requested in batches."""
        statuses: list[PhotoStatus] = []
        for start in range(0, len(versions), wire.BATCH_PHOTOS_MAX):
            batch = versions[start : start + wire.BATCH_PHOTOS_MAX]
            request = Request(
                route=wire.LOOKUP,
                headers={"Content-Type": "application/json"},
                body=MemoryBody(wire.render_batch_request(batch)),
            )
            statuses += await self._document(request, wire.parse_info_batch)
        return statuses

    async def delete(self, reference: PhotoReference) -> Deletion:
        """Delete a photo, or one version of it."""
        route = wire.DELETE_PHOTO if reference.version is None else wire.DELETE_VERSION
        request = Request(route=route, fields=asdict(reference))
        return await self._document(request, wire.parse_deletion)

    async def revoke(self, photo_version: PhotoVersion) -> Revocation:
        """Give a photo a new version, and delete the old one."""
        request = Request(route=wire.REVOKE, fields=asdict(photo_version))
        return await self._document(request, wire.parse_revocation)

    async def undelete(self, reference: PhotoReference) -> Receipt:
        """Restore a deleted photo as a new one."""
        request = Request(
            route=wire.UNDELETE, fields=asdict(reference), response_seconds_min=UNDELETE_SECONDS_MIN
        )
        return await self._document(request, wire.parse_receipt)

    async def status(self) -> dict[str, Any]:
        """Return the state of the cluster."""
        return await self._document(Request(route=wire.STATUS), dict)

    async def download(
        self, urls: Sequence[str], sink: Sink, on_progress: Progress | None
    ) -> Downloaded:
        """Download a photo from the first of its URLs that responds."""
        return await download(
            self._session,
            urls,
            sink,
            retries=self._retries,
            timeouts=self._timeouts,
            on_progress=on_progress,
        )

    async def request(self, request: Request) -> dict[str, Any]:
        """Send a request, and return the document of the response."""
        return await self._document(request, dict)

    async def _document(
        self, request: Request, parse: Callable[[dict[str, Any]], _Document]
    ) -> _Document:
        response = await self._masters.send(request)
        return _parse(parse, response.document())


def _parse(parse: Callable[[dict[str, Any]], _Document], fields: dict[str, Any]) -> _Document:
    try:
        return parse(fields)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidResponse(
            f"invalid response of a storagemaster: {error!r}; compare the versions"
        ) from error


def _check_digest(receipt: Receipt, body: Body, sent: SendProgress) -> None:
    """Compare the receipt's digest with the sent bytes, for a body without a declared digest."""
    expected = body.sha256 or sent.sha256
    if sent.bytes_sent == body.length and receipt.sha256 != expected:
        raise ContentMismatch(
            f"digest mismatch: {receipt.reference} has SHA-256 {receipt.sha256}, expected "
            f"{expected}; the source changed during the upload, or the network corrupted it"
        )


def _check_idempotency_key(key: str) -> None:
    longest = wire.IDEMPOTENCY_KEY_CHARACTERS_MAX
    if not 0 < len(key) <= longest or not (key.isascii() and key.isprintable()):
        raise UsageError(
            f"invalid Idempotency-Key: must be 1 to {longest} printable ASCII characters"
        )


def _digest_header(sha256: str) -> str:
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
