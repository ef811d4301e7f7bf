"""One request to one server, and its response. This module translates aiohttp's errors."""

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
from glassplate.session.sources import Body, CountingBody, RunningDigest
from storagemaster.wire import Route

# The status of the largest cluster, 65535 volumes, is about 10 MB.
RESPONSE_BYTES_MAX = 32 * 1024 * 1024

Progress = Callable[[int, int], None]
"""Receives the transferred bytes and the total. A retry goes back to where it continues."""


class NoResponse(Exception):
    """A server that sent no complete response. The message has the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request, for any server."""

    route: Route
    fields: Mapping[str, object] = field(default_factory=dict)
    """The fields of the route's path."""
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    start: int = 0
    """The first byte of the body that is sent."""
    digest: RunningDigest | None = None
    """Gets the bytes that are sent."""
    is_repeatable: bool = True
    """False if a repeated request has a second effect, so that a lost response ends the retries."""
    renew: Callable[[], None] | None = None
    """Called before a retry if no attempt can have succeeded."""
    on_progress: Progress | None = None
    response_seconds_min: float = 0
    """Minimum timeout, for requests that take the server longer than usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response of a server."""

    status: int
    data: bytes
    location: str = ""
    retry_after_seconds: float | None = None

    def document(self) -> dict[str, Any]:
        """Parse the body as a JSON object.

        Raises:
            InvalidResponse: The body is not a JSON object.
        """
        with contextlib.suppress(ValueError):
            fields = json.loads(self.data)
            if isinstance(fields, dict):
                return fields
        raise InvalidResponse(
            f"the response with status {self.status} is not a JSON object; check that the address "
            "is a storagemaster's"
        )

    def problem(self) -> Problem:
        """Parse the body as a problem, with defaults if it is not one."""
        try:
            return parse_problem(self.status, self.document())
        except InvalidResponse:
            return parse_problem(self.status, {})


@dataclass(slots=True)
class SendProgress:
    """The sent part of the body in the current attempt."""

    counted: CountingBody | None = None

    @property
    def bytes_sent(self) -> int:
        """Bytes of the body that were read from the source."""
        return self.counted.bytes_sent if self.counted else 0


async def send_request(
    session: aiohttp.ClientSession,
    server: str,
    request: Request,
    *,
    timeouts: Timeouts,
    headers: Mapping[str, str],
    sent: SendProgress,
) -> Response:
    """Send a request once. `sent` is also valid after a failure.

    Raises:
        NoResponse: No complete response came. The server may have handled the request.
        UnusableSource: The body cannot be read, or does not have the declared length.
    """
    seconds = max(timeouts.response_seconds, request.response_seconds_min)
    async with translate_client_errors(replace(timeouts, response_seconds=seconds)) as deadline:
        sent.counted = _counted(request, deadline)
        data = sent.counted.chunks() if sent.counted else None
        length = {"Content-Length": str(sent.counted.length)} if sent.counted else {}
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
                return Response(
                    status=response.status,
                    data=body,
                    location=response.headers.get("Location", ""),
                    retry_after_seconds=retry_after,
                )
        except aiohttp.ClientError as error:
            # An error of the source looks like a lost connection.
            if sent.counted and sent.counted.fault:
                raise sent.counted.fault from error
            raise


def address(server: str, path: str) -> URL:
    """Return the URL of a path at a server, without normalization.

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
    """Convert network errors of the block to `NoResponse`, and enforce the timeouts."""
    try:
        async with asyncio.timeout(timeouts.response_seconds) as timeout:
            yield Deadline(timeout, timeouts.response_seconds)
    except aiohttp.ConnectionTimeoutError as error:
        raise NoResponse(f"no connection within {timeouts.connect_seconds:g} s") from error
    except TimeoutError as error:
        raise NoResponse(f"no response within {timeouts.response_seconds:g} s") from error
    except aiohttp.ClientConnectorError as error:
        number = error.os_error.errno
        reason = os.strerror(number) if number and number > 0 else str(error.os_error)
        raise NoResponse(f"cannot connect: {reason}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise NoResponse(f"connection lost: {error or type(error).__name__}") from error


class Deadline:
    """A timeout that every transferred byte restarts."""

    def __init__(self, timeout: asyncio.Timeout, seconds: float) -> None:
        self._timeout = timeout
        self._seconds = seconds

    def extend(self) -> None:
        """Restart the timeout."""
        # The body can still be in transit after the response, when the block has exited.
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

    return CountingBody(request.body, on_chunk, start=request.start, digest=request.digest)


async def _read_all(response: aiohttp.ClientResponse, deadline: Deadline) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_any():
        deadline.extend()
        data += chunk
        if len(data) > RESPONSE_BYTES_MAX:
            raise InvalidResponse(f"the response has more than {RESPONSE_BYTES_MAX} bytes")
    return bytes(data)
