"""One request to one server and its answer: the one place where aiohttp's errors become ours."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
from yarl import URL

from glassplate.errors import BadConfig, InvalidResponse, Problem, parse_problem
from glassplate.session.retries import Timeouts, parse_retry_after
from glassplate.session.sources import Body, CountingBody
from storagemaster.wire import Route

# The status of the largest cluster, 65535 volumes, is about 10 MB.
RESPONSE_BYTES_MAX = 32 * 1024 * 1024
RETRYABLE_STATUSES = frozenset({502, 503, 504})

Progress = Callable[[int, int], None]
"""Hears how many bytes of how many have gone over; from the first again when they are sent anew."""


class NoResponse(Exception):
    """A server did not answer, or broke off; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a server, whichever it is."""

    route: Route
    fields: Mapping[str, object] = field(default_factory=dict)
    """The fields of the route's path."""
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    first_attempt_headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that are right only when nothing was sent before."""
    body: Body | None = None
    on_progress: Progress | None = None
    answer_seconds_min: float = 0
    """How long the server may work before its first byte, where that is longer than usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a server answered with."""

    status: int
    data: bytes
    retry_after_seconds: float | None = None

    def document(self) -> dict[str, Any]:
        """The JSON object it is.

        Raises:
            BadAnswer: It is none.
        """
        with contextlib.suppress(ValueError):
            fields = json.loads(self.data)
            if isinstance(fields, dict):
                return fields
        raise InvalidResponse(
            f"the answer with status {self.status} is no JSON object; is this the address of a "
            "storagemaster?"
        )

    def problem(self) -> Problem:
        """What it says of an error, if it says anything."""
        try:
            return parse_problem(self.status, self.document())
        except InvalidResponse:
            return parse_problem(self.status, {})


@dataclass(slots=True)
class SendProgress:
    """How far an attempt came before it had an answer, or failed."""

    counted: CountingBody | None = None

    @property
    def bytes_sent(self) -> int:
        """Bytes of the body that have left the source."""
        return self.counted.bytes_sent if self.counted else 0

    @property
    def sha256(self) -> str:
        """The digest of those bytes."""
        return self.counted.sha256 if self.counted else ""


async def send_request(
    session: aiohttp.ClientSession,
    server: str,
    request: Request,
    *,
    timeouts: Timeouts,
    headers: Mapping[str, str],
    sent: SendProgress,
) -> Response:
    """Send a request once. `sent` is kept up to date, so that it is known after a failure too.

    Raises:
        NoAnswer: There was none; the server may have done what was asked all the same.
        UnusableSource: The body cannot be read, or is not as long as announced.
    """
    patience_seconds = max(timeouts.response_seconds, request.answer_seconds_min)
    async with translate_client_errors(
        replace(timeouts, response_seconds=patience_seconds)
    ) as deadline:
        sent.counted = _counted(request, deadline)
        data = sent.counted.chunks() if sent.counted else None
        length = {"Content-Length": str(request.body.length)} if request.body else {}
        try:
            async with session.request(
                request.route.method,
                address(server, request.route.path(request.fields, request.query)),
                data=data,
                headers={**headers, **length},
                allow_redirects=False,
            ) as response:
                retry_after = parse_retry_after(response.headers.get("Retry-After"))
                body = await _read_all(response, deadline)
                return Response(status=response.status, data=body, retry_after_seconds=retry_after)
        except aiohttp.ClientError as error:
            # What ends the source ends the request, as if the connection had been lost.
            if sent.counted and sent.counted.fault:
                raise sent.counted.fault from error
            raise


def address(server: str, path: str) -> URL:
    """The URL of a path at a server, sent exactly as it is written.

    Raises:
        BadConfig: It is not an http or https URL.
    """
    try:
        url = URL(server.rstrip("/") + path, encoded=True)
    except ValueError as error:
        raise BadConfig(f"{server!r} is not a URL: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise BadConfig(f"{server!r} is not a URL such as http://127.0.0.1:8090")
    return url


@contextlib.asynccontextmanager
async def translate_client_errors(timeouts: Timeouts) -> AsyncIterator["Deadline"]:
    """A block that speaks to one server, whose failures to answer end it with `NoAnswer`."""
    try:
        async with asyncio.timeout(timeouts.response_seconds) as timeout:
            yield Deadline(timeout, timeouts.response_seconds)
    except aiohttp.ConnectionTimeoutError as error:
        raise NoResponse(f"no connection within {timeouts.connect_seconds:g} s") from error
    except TimeoutError as error:
        raise NoResponse(f"no answer within {timeouts.response_seconds:g} s") from error
    except aiohttp.ClientConnectorError as error:
        number = error.os_error.errno
        why = os.strerror(number) if number and number > 0 else str(error.os_error)
        raise NoResponse(f"cannot connect: {why}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise NoResponse(f"the connection was lost: {error or type(error).__name__}") from error


class Deadline:
    """The end of patience, which every byte that moves puts off."""

    def __init__(self, timeout: asyncio.Timeout, seconds: float) -> None:
        self._timeout = timeout
        self._seconds = seconds

    def extend(self) -> None:
        """Something moved: wait for the next as long again."""
        # A body may still be on its way when the answer is there, and the block has been left.
        with contextlib.suppress(RuntimeError):
            self._timeout.reschedule(asyncio.get_running_loop().time() + self._seconds)


def _counted(request: Request, deadline: Deadline) -> CountingBody | None:
    if request.body is None:
        return None
    length = request.body.length

    def on_chunk(bytes_sent: int) -> None:
        deadline.extend()
        if request.on_progress:
            request.on_progress(bytes_sent, length)

    return CountingBody(request.body, on_chunk)


async def _read_all(response: aiohttp.ClientResponse, deadline: Deadline) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_any():
        deadline.extend()
        data += chunk
        if len(data) > RESPONSE_BYTES_MAX:
            raise InvalidResponse(f"the answer has over {RESPONSE_BYTES_MAX} bytes")
    return bytes(data)
