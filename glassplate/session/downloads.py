"""Reading a photo at the edges: continued where a connection broke, checked against its digest."""

import asyncio
import base64
import hashlib
import itertools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from glassplate.errors import ContentMismatch, Problem, error_of
from glassplate.session.exchange import (
    RETRYABLE_STATUSES,
    Deadline,
    NoResponse,
    Progress,
    Response,
    address,
    translate_client_errors,
)
from glassplate.session.masters import Failures
from glassplate.session.retries import GiveUp, Retries, Timeouts, decide, parse_retry_after
from glassplate.session.sinks import Sink

CHUNK_BYTES = 256 * 1024

_SHA256_FIELD = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """A photo that has been read whole."""

    bytes: int
    sha256: str
    is_verified: bool
    """Whether the server told the digest, so that the bytes are known to be right."""


async def download(
    session: aiohttp.ClientSession,
    urls: Sequence[str],
    sink: Sink,
    *,
    retries: Retries,
    timeouts: Timeouts,
    on_progress: Progress | None = None,
) -> Downloaded:
    """Read one photo from whichever of these URLs answers; they are the same photo.

    Raises:
        Refused: There is no such photo, or the URL does not open it.
        ClusterError: Nobody gave it, or nobody gave it right.
        UnusableTarget: The sink has no room.
    """
    reading = _Reading(sink, on_progress)
    failures = Failures()
    jitter = random.SystemRandom().random
    for attempt in itertools.count(1):
        url = urls[(attempt - 1) % len(urls)]
        outcome = await _try(session, url, reading, timeouts)
        if isinstance(outcome, Downloaded):
            return outcome
        failures.record(_server_of(url), outcome)
        next_step = decide(
            retries,
            attempt=attempt,
            servers=len(urls),
            can_send_again=True,
            retry_after_seconds=outcome.retry_after_seconds
            if isinstance(outcome, Response)
            else None,
            jitter=jitter(),
        )
        if isinstance(next_step, GiveUp):
            raise outcome if isinstance(outcome, ContentMismatch) else failures.error()
        await asyncio.sleep(next_step.pause_seconds)
    raise AssertionError


class _Reading:
    """How far one photo has been read."""

    def __init__(self, sink: Sink, on_progress: Progress | None) -> None:
        self._sink = sink
        self._on_progress = on_progress
        self._hasher = hashlib.sha256()
        self.bytes_read = 0
        self.bytes_total = 0
        self.etag = ""
        self.sha256_declared = ""

    def restart(self) -> None:
        """Begin anew, if anything has been read."""
        if self.bytes_read:
            self._sink.restart()
        self._hasher = hashlib.sha256()
        self.bytes_read = 0
        self.etag = ""

    def headers(self) -> dict[str, str]:
        """What asks for the rest, or for all of it if the photo is another by now."""
        # Compressed on the way, its length and ranges would not be those of the photo.
        headers = {"Accept-Encoding": "identity"}
        if self.bytes_read and self.etag:
            headers |= {"Range": f"bytes={self.bytes_read}-", "If-Range": self.etag}
        return headers

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take note of what is coming.

        Raises:
            ContentMismatch: It is another part than was asked for.
        """
        if status == 206:
            match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
            if match is None or int(match[1]) != self.bytes_read:
                raise ContentMismatch("another part of the photo came than was asked for")
            self.bytes_total = int(match[2])
        else:
            self.restart()
            self.bytes_total = int(headers.get("Content-Length", "0"))
            self.etag = headers.get("ETag", "")
        self.sha256_declared = _parse_digest(headers.get("Repr-Digest", ""))

    def take(self, data: bytes) -> None:
        """Take some bytes."""
        self._sink.write(data)
        self._hasher.update(data)
        self.bytes_read += len(data)
        if self._on_progress:
            self._on_progress(self.bytes_read, max(self.bytes_read, self.bytes_total))

    def end(self) -> Downloaded:
        """The photo, whole.

        Raises:
            ContentMismatch: Its digest is not the one that was told.
        """
        sha256 = self._hasher.hexdigest()
        if self.sha256_declared not in {"", sha256}:
            raise ContentMismatch(f"SHA-256 {self.sha256_declared} was announced, {sha256} came")
        return Downloaded(
            bytes=self.bytes_read, sha256=sha256, is_verified=bool(self.sha256_declared)
        )


async def _try(
    session: aiohttp.ClientSession, url: str, reading: _Reading, timeouts: Timeouts
) -> Downloaded | Response | NoResponse | ContentMismatch:
    try:
        return await _read_once(session, url, reading, timeouts)
    except NoResponse as error:
        return error
    except ContentMismatch as error:
        reading.restart()
        return error


async def _read_once(
    session: aiohttp.ClientSession, url: str, reading: _Reading, timeouts: Timeouts
) -> Downloaded | Response:
    async with (
        translate_client_errors(timeouts) as deadline,
        session.get(address(url, ""), headers=reading.headers(), allow_redirects=False) as response,
    ):
        if response.status in {200, 206}:
            reading.begin(response.status, response.headers)
            await _read_on(response, reading, deadline)
            return reading.end()
        if response.status == 416:
            reading.restart()
            raise NoResponse("the rest of the photo could not be had; once more from the beginning")
        if response.status not in RETRYABLE_STATUSES:
            raise error_of(_problem_of(response.status))
        retry_after = parse_retry_after(response.headers.get("Retry-After"))
        return Response(status=response.status, data=b"", retry_after_seconds=retry_after)


async def _read_on(response: aiohttp.ClientResponse, reading: _Reading, deadline: Deadline) -> None:
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        deadline.extend()
        reading.take(chunk)


def _problem_of(status: int) -> Problem:
    title, detail = _WORDS.get(status, (f"The answer was {status}", ""))
    return Problem(status=status, title=title, detail=detail)


_WORDS = {
    403: ("The URL does not open the photo", "its permission is not good, or is over"),
    404: ("There is no such photo, or this size of it is not made", ""),
    410: ("The photo is gone", "it was deleted, for ever"),
}


def _parse_digest(header: str) -> str:
    match = _SHA256_FIELD.search(header)
    return base64.b64decode(match[1]).hex() if match else ""


def _server_of(url: str) -> str:
    """The server alone: the path has a permission in it, which belongs in no message."""
    return "/".join(url.split("/")[:3])
