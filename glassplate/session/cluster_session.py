"""The requests of an open client to storagemasters and edges, over one connection pool."""

import asyncio
import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import aiohttp

from glassplate.errors import (
    ClusterError,
    ContentMismatch,
    InvalidResponse,
    NoRoomForParts,
    UsageError,
)
from glassplate.session.downloads import Downloaded, download
from glassplate.session.edge_responses import responses_of
from glassplate.session.exchange import Progress, Request
from glassplate.session.masters import Credentials, Masters
from glassplate.session.part_uploads import PartUpload
from glassplate.session.retries import Retries, Timeouts
from glassplate.session.sinks import Sink
from glassplate.session.sources import (
    WHOLE_BYTES_MAX,
    Body,
    MemoryBody,
    RunningDigest,
    Source,
    open_source,
)
from storagemaster import known_wire, wire
from storagemaster.known_wire import KnownPhoto, TicketUse
from storagemaster.wire import PhotoStatus, Receipt
from volumes.photo_path import PhotoVersion

IDEMPOTENCY_KEY_BYTES = 16
# Sending this much takes as long as a request for what is stored.
SENT_UNASKED_BYTES_MAX = 64 * 1024

_Result = TypeVar("_Result")


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
        sha256: str | None,
        known: bool,
        on_progress: Progress | None,
    ) -> Receipt:
        """Upload a photo, and check the receipt against the sent bytes.

        Without a key and a volume, the upload gets a new key. A key has its own volume, so a volume
        excludes it. While nothing is stored, each attempt has another new key, so that a volume
        that is down does not fail the upload.
        """
        body = await open_source(source, length, sha256, hashed_first=known)
        if known:
            idempotency_key = _known_key(body, volume=volume, idempotency_key=idempotency_key)
        headers = {"Content-Type": "application/octet-stream"}
        if idempotency_key is not None:
            _check_idempotency_key(idempotency_key)
            headers[wire.IDEMPOTENCY_HEADER] = idempotency_key
        if durability is not None:
            headers[wire.DURABILITY_HEADER] = durability
        if body.sha256 is not None:
            headers[wire.DIGEST_HEADER] = _digest_header(body.sha256)

        def renew_key() -> None:
            headers[wire.IDEMPOTENCY_HEADER] = secrets.token_urlsafe(IDEMPOTENCY_KEY_BYTES)

        gets_new_key = idempotency_key is None and volume is None
        if gets_new_key:
            renew_key()
        request = Request(
            route=wire.UPLOAD,
            query=[("volume", str(volume))] if volume is not None else [],
            headers=headers,
            is_repeatable=wire.IDEMPOTENCY_HEADER in headers,
            renew=renew_key if gets_new_key else None,
            body=body,
            on_progress=on_progress,
        )
        try:
            return await self._send(request, body, known=known)
        except ClusterError as error:
            error.idempotency_key = headers.get(wire.IDEMPOTENCY_HEADER, "")
            raise

    async def _send(self, request: Request, body: Body, *, known: bool) -> Receipt:
        """Send a photo, a long one in parts, and check the digest of the receipt."""
        digest = RunningDigest() if body.sha256 is None else None
        request = replace(request, digest=digest)
        # An upload in parts begins with the receipt of a photo that is stored.
        if body.length > WHOLE_BYTES_MAX or (known and await self._is_stored(body)):
            try:
                receipt = await PartUpload(self._masters, request, body).send()
            except NoRoomForParts:
                if body.part_bytes_max is not None:
                    raise
                receipt = await self._send_whole(request)
        else:
            receipt = await self._send_whole(request)
        _check_digest(receipt, body.sha256 if digest is None else digest.of(body.length))
        return receipt

    async def _is_stored(self, body: Body) -> bool:
        """Return True if the photo of a body is stored. To send a short one costs no more."""
        assert body.sha256 is not None, "a photo is found by its digest"
        if body.length <= SENT_UNASKED_BYTES_MAX:
            return False
        (found,) = await self.known([body.sha256])
        return found.state == "stored"

    async def _send_whole(self, request: Request) -> Receipt:
        response = await self._masters.send(request)
        return _parse(wire.parse_receipt, response.document())

    async def photos(self, versions: Sequence[PhotoVersion]) -> list[PhotoStatus]:
        """Return the states of many photo versions, requested in batches."""
        statuses: list[PhotoStatus] = []
        for start in range(0, len(versions), wire.BATCH_PHOTOS_MAX):
            batch = versions[start : start + wire.BATCH_PHOTOS_MAX]
            statuses += await self.request(
                wire.LOOKUP,
                wire.parse_info_batch,
                json_body=wire.render_batch_request(batch),
            )
        return statuses

    async def known(self, digests: Sequence[str]) -> list[KnownPhoto]:
        """Return the photo of each digest, requested in batches."""
        photos: list[KnownPhoto] = []
        for start in range(0, len(digests), known_wire.KNOWN_PHOTOS_MAX):
            batch = digests[start : start + known_wire.KNOWN_PHOTOS_MAX]
            photos += await self.request(
                wire.KNOWN,
                known_wire.parse_known_photos,
                json_body=known_wire.render_known_request(batch),
            )
        return photos

    async def ticket_uses(self, ticket: str) -> list[TicketUse]:
        """Return the photos that a ticket permits."""
        return await self.request(
            wire.TICKET_USES,
            known_wire.parse_ticket_uses,
            json_body=known_wire.render_ticket_request(ticket),
        )

    async def responses_of(self, edges: Sequence[str], request_target: str) -> list[dict[str, Any]]:
        """Return the response of each edge to a GET of a photo's URL."""
        return await responses_of(self._session, edges, request_target)

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

    async def request(
        self,
        route: wire.Route,
        parse: Callable[[dict[str, Any]], _Result],
        fields: Mapping[str, object] | None = None,
        query: Sequence[tuple[str, str]] = (),
        *,
        json_body: bytes | None = None,
        response_seconds_min: float = 0,
    ) -> _Result:
        """Send a request to a storagemaster, and parse the document of the response."""
        request = Request(
            route=route,
            fields=fields or {},
            query=query,
            headers={"Content-Type": "application/json"} if json_body is not None else {},
            body=MemoryBody(json_body) if json_body is not None else None,
            response_seconds_min=response_seconds_min,
        )
        response = await self._masters.send(request)
        return _parse(parse, response.document())


def _parse(parse: Callable[[dict[str, Any]], _Result], fields: dict[str, Any]) -> _Result:
    try:
        return parse(fields)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidResponse(
            f"invalid response of a storagemaster: {error!r}; compare the versions"
        ) from error


def _known_key(body: Body, *, volume: int | None, idempotency_key: str | None) -> str:
    """Return the key of a photo that is found by its digest."""
    if volume is not None or idempotency_key is not None:
        raise UsageError("known=True has a key and a volume of its own: leave out both")
    assert body.sha256 is not None, "the body was hashed first"
    return known_wire.digest_key(body.sha256)


def _check_digest(receipt: Receipt, expected: str | None) -> None:
    """Compare the receipt's digest with the sent bytes, unless a position was removed from them."""
    if expected is not None and not receipt.stripped and receipt.sha256 != expected:
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
