"""Downloads from the edges: resumed after a lost connection, and checked against the digest."""

import asyncio
import base64
import hashlib
import itertools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from glassplate.errors import RETRYABLE_STATUSES, ContentMismatch, Problem, error_of
from glassplate.session.exchange import (
    Deadline,
    NoResponse,
    Progress,
    Response,
    address,
    translate_client_errors,
)
from glassplate.session.masters import Failures, retry_after_of
from glassplate.session.retries import GiveUp, Retries, Timeouts, decide, parse_retry_after
from glassplate.session.sinks import Sink

CHUNK_BYTES = 256 * 1024

_SHA256_FIELD = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """A complete download."""

    bytes: int
    sha256: str
    is_verified: bool
    """True if the server sent a digest and the bytes match it."""


async def download(
    session: aiohttp.ClientSession,
    urls: Sequence[str],
    sink: Sink,
    *,
    retries: Retries,
    timeouts: Timeouts,
    on_progress: Progress | None = None,
) -> Downloaded:
    """Download one photo from the first of these URLs that responds. All must name one photo.

    Raises:
        Refused: The photo does not exist, or the permission is invalid.
        ClusterError: No server sent the photo, or none sent it intact.
        UnusableTarget: The sink cannot store the bytes.
    """
    transfer = _Transfer(sink, on_progress)
    failures = Failures()
    jitter = random.SystemRandom().random
    for attempt in itertools.count(1):
        url = urls[(attempt - 1) % len(urls)]
        outcome = await _try(session, url, transfer, timeouts)
        if isinstance(outcome, Downloaded):
            return outcome
        failures.record(_server_of(url), outcome)
        next_step = decide(
            retries,
            attempt=attempt,
            servers=len(urls),
            can_send_again=True,
            retry_after_seconds=retry_after_of(outcome),
            jitter=jitter(),
        )
        if isinstance(next_step, GiveUp):
            raise outcome if isinstance(outcome, ContentMismatch) else failures.error()
        await asyncio.sleep(next_step.pause_seconds)
    raise AssertionError


class _Transfer:
    """The progress of one download."""

    def __init__(self, sink: Sink, on_progress: Progress | None) -> None:
        self._sink = sink
        self._on_progress = on_progress
        self._hasher = hashlib.sha256()
        self.bytes_read = 0
        self.bytes_total = 0
        self.etag = ""
        self.sha256_declared = ""

    def restart(self) -> None:
        """Start again from the first byte."""
        if self.bytes_read:
            self._sink.restart()
        self._hasher = hashlib.sha256()
        self.bytes_read = 0
        self.etag = ""

    def headers(self) -> dict[str, str]:
        """Return headers that request the missing bytes, or all if the photo has changed."""
        # A compressed response would have other lengths and ranges than the photo.
        headers = {"Accept-Encoding": "identity"}
        if self.bytes_read and self.etag:
            headers |= {"Range": f"bytes={self.bytes_read}-", "If-Range": self.etag}
        return headers

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Record the status and headers of a response.

        Raises:
            ContentMismatch: The response is not the requested range.
        """
        if status == 206:
            match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
            if match is None or int(match[1]) != self.bytes_read:
                raise ContentMismatch("the response is not the requested range of the photo")
            self.bytes_total = int(match[2])
        else:
            self.restart()
            self.bytes_total = int(headers.get("Content-Length", "0"))
            self.etag = headers.get("ETag", "")
        self.sha256_declared = _parse_digest(headers.get("Repr-Digest", ""))

    def take(self, data: bytes) -> None:
        """Add bytes."""
        self._sink.write(data)
        self._hasher.update(data)
        self.bytes_read += len(data)
        if self._on_progress:
            self._on_progress(self.bytes_read, max(self.bytes_read, self.bytes_total))

    def end(self) -> Downloaded:
        """Return the complete download.

        Raises:
            ContentMismatch: The bytes do not match the declared digest.
        """
        sha256 = self._hasher.hexdigest()
        if self.sha256_declared not in {"", sha256}:
            raise ContentMismatch(
                f"digest mismatch: received SHA-256 {sha256}, expected {self.sha256_declared}"
            )
        return Downloaded(
            bytes=self.bytes_read, sha256=sha256, is_verified=bool(self.sha256_declared)
        )


async def _try(
    session: aiohttp.ClientSession, url: str, transfer: _Transfer, timeouts: Timeouts
) -> Downloaded | Response | NoResponse | ContentMismatch:
    try:
        return await _read_once(session, url, transfer, timeouts)
    except NoResponse as error:
        return error
    except ContentMismatch as error:
        transfer.restart()
        return error


async def _read_once(
    session: aiohttp.ClientSession, url: str, transfer: _Transfer, timeouts: Timeouts
) -> Downloaded | Response:
    async with (
        translate_client_errors(timeouts) as deadline,
        session.get(
            address(url, ""), headers=transfer.headers(), allow_redirects=False
        ) as response,
    ):
        if response.status in {200, 206}:
            transfer.begin(response.status, response.headers)
            await _read_body(response, transfer, deadline)
            return transfer.end()
        if response.status == 416:
            transfer.restart()
            raise NoResponse("the server cannot resume the download")
        if response.status not in RETRYABLE_STATUSES:
            raise error_of(_problem_of(response.status))
        retry_after = parse_retry_after(response.headers.get("Retry-After"))
        return Response(status=response.status, data=b"", retry_after_seconds=retry_after)


async def _read_body(
    response: aiohttp.ClientResponse, transfer: _Transfer, deadline: Deadline
) -> None:
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        deadline.extend()
        transfer.take(chunk)


def _problem_of(status: int) -> Problem:
    title, detail = _PROBLEMS.get(status, (f"Unexpected status {status}", ""))
    return Problem(status=status, title=title, detail=detail)


_PROBLEMS = {
    403: ("Not allowed", "the permission of the URL is invalid or expired"),
    404: ("Unknown photo", "it does not exist, or this size is not made"),
    410: ("Photo deleted", "it was deleted permanently"),
}


def _parse_digest(header: str) -> str:
    match = _SHA256_FIELD.search(header)
    return base64.b64decode(match[1]).hex() if match else ""


def _server_of(url: str) -> str:
    """Return the server of a URL. The path contains a permission, which must not be logged."""
    return "/".join(url.split("/")[:3])
