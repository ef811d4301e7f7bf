"""An open client's work: what is asked of storagemasters and edges, over one connection pool."""

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
# The whole photo is read and written before there is an answer.
UNDELETE_SECONDS_MIN = 300.0

_Document = TypeVar("_Document")


class ClusterSession:
    """Speaks to one cluster until it is closed."""

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
        # Callers choose how much they do at once. Waiting is limited by progress, not in all.
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
        # Those that were given up before are closed in the loop's next turn, which may be its last.
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
        """Upload a photo, and hold the receipt against what was sent."""
        body = await open_source(source, length)
        is_fresh = idempotency_key is None
        key = idempotency_key or secrets.token_urlsafe(IDEMPOTENCY_KEY_BYTES)
        if idempotency_key is not None:
            _refuse_bad_key(idempotency_key)
        headers = {wire.IDEMPOTENCY_HEADER: key}
        if durability is not None:
            headers[wire.DURABILITY_HEADER] = durability
        if body.sha256 is not None:
            headers[wire.DIGEST_HEADER] = _digest_header(body.sha256)
        request = Request(
            route=wire.UPLOAD,
            query=[("volume", str(volume))] if volume is not None else [],
            headers={"Content-Type": "application/octet-stream", **headers},
            # Only a key that was made just now is surely fresh.
            first_attempt_headers={wire.FIRST_ATTEMPT_HEADER: "1"} if is_fresh else {},
            body=body,
            on_progress=on_progress,
        )
        sent = SendProgress()
        try:
            answer = await self._masters.ask(request, sent=sent)
            receipt = _parsed(wire.parse_receipt, answer.document())
            _refuse_other_bytes(receipt, body, sent)
        except ClusterError as error:
            error.idempotency_key = key
            raise
        return receipt

    async def photo(self, photo_version: PhotoVersion) -> PhotoStatus:
        """What has become of a photo version."""
        request = Request(route=wire.PHOTO, fields=asdict(photo_version))
        return await self._document(request, wire.parse_status)

    async def photos(self, versions: Sequence[PhotoVersion]) -> list[PhotoStatus]:
        """What has become of many photo versions, page by page."""
        statuses: list[PhotoStatus] = []
        for start in range(0, len(versions), wire.BATCH_PHOTOS_MAX):
            page = versions[start : start + wire.BATCH_PHOTOS_MAX]
            request = Request(
                route=wire.LOOKUP,
                headers={"Content-Type": "application/json"},
                body=MemoryBody(wire.render_batch_request(page)),
            )
            statuses += await self._document(request, wire.parse_info_batch)
        return statuses

    async def delete(self, reference: PhotoReference) -> Deletion:
        """Make a photo, or one version of it, gone for ever."""
        route = wire.DELETE_PHOTO if reference.version is None else wire.DELETE_VERSION
        request = Request(route=route, fields=asdict(reference))
        return await self._document(request, wire.parse_deletion)

    async def revoke(self, photo_version: PhotoVersion) -> Revocation:
        """Give a photo a new version, and make the old one gone for ever."""
        request = Request(route=wire.REVOKE, fields=asdict(photo_version))
        return await self._document(request, wire.parse_revocation)

    async def undelete(self, reference: PhotoReference) -> Receipt:
        """Bring a deleted photo back as a new one."""
        request = Request(
            route=wire.UNDELETE, fields=asdict(reference), answer_seconds_min=UNDELETE_SECONDS_MIN
        )
        return await self._document(request, wire.parse_receipt)

    async def status(self) -> dict[str, Any]:
        """The state of the cluster."""
        return await self._document(Request(route=wire.STATUS), dict)

    async def download(
        self, urls: Sequence[str], sink: Sink, on_progress: Progress | None
    ) -> Downloaded:
        """Read a photo from whichever of its URLs answers."""
        return await download(
            self._session,
            urls,
            sink,
            retries=self._retries,
            timeouts=self._timeouts,
            on_progress=on_progress,
        )

    async def ask(self, request: Request) -> dict[str, Any]:
        """The document that a storagemaster answers a request without a body with."""
        return await self._document(request, dict)

    async def _document(
        self, request: Request, parse: Callable[[dict[str, Any]], _Document]
    ) -> _Document:
        answer = await self._masters.ask(request)
        return _parsed(parse, answer.document())


def _parsed(parse: Callable[[dict[str, Any]], _Document], fields: dict[str, Any]) -> _Document:
    try:
        return parse(fields)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidResponse(
            f"the answer is not what a storagemaster of this version sends: {error!r}"
        ) from error


def _refuse_other_bytes(receipt: Receipt, body: Body, sent: SendProgress) -> None:
    """A digest that was not told beforehand is compared now."""
    expected = body.sha256 or sent.sha256
    if sent.bytes_sent == body.length and receipt.sha256 != expected:
        raise ContentMismatch(
            f"{receipt.reference} has SHA-256 {receipt.sha256}, and {expected} was sent; the "
            "source changed while it was read, or the bytes did on their way"
        )


def _refuse_bad_key(key: str) -> None:
    longest = wire.IDEMPOTENCY_KEY_CHARACTERS_MAX
    if not 0 < len(key) <= longest or not (key.isascii() and key.isprintable()):
        raise UsageError(f"an Idempotency-Key has 1 to {longest} printable ASCII characters")


def _digest_header(sha256: str) -> str:
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
