"""Requests to the storagemasters: authorization, failover, and retries."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from datetime import timedelta

import aiohttp

from glassplate.errors import (
    RETRYABLE_STATUSES,
    BadConfig,
    ClusterError,
    NoToken,
    Problem,
    Unavailable,
    Unreachable,
    error_of,
)
from glassplate.session.exchange import (
    NoResponse,
    Request,
    Response,
    SendProgress,
    send_request,
)
from glassplate.session.new_tokens import sign_new_token
from glassplate.session.retries import GiveUp, Retries, Timeouts, decide
from permission_urls import KeyRingError, KeySource, Scope
from storagemaster.wire import Route

# Long enough for clock skew. Each request has a new token.
TOKEN_LIFETIME = timedelta(minutes=10)


class Credentials:
    """The API token of requests: a given one, or a new one for each request."""

    def __init__(self, token: str | None, keys: KeySource | None, *, keys_error: str) -> None:
        self._token = token.strip() if token is not None else None
        self._keys = keys
        self._keys_error = keys_error

    def headers(self, route: Route) -> dict[str, str]:
        """Return the headers with the token. A token that is signed here is for this route only.

        A route without a scope gets a token for the URLs of its response, if it has any.

        Raises:
            NoToken: The client has neither a token nor keys.
        """
        scopes = {route.access} if isinstance(route.access, Scope) else set()
        scopes |= {Scope.READ, Scope.ORIGINAL} if route.has_urls else set()
        assert scopes, "a client sends only requests that need or take a token"
        token = self._token
        if token is None:
            needed = f"this requires an API token of scope {route.access}"
            if self._keys is None:
                raise NoToken(f"{needed}: {self._keys_error}")
            try:
                token = sign_new_token(self._keys, scopes, expires=TOKEN_LIFETIME)
            except KeyRingError as error:
                raise NoToken(f"{needed}: {error}") from error
        elif not (token.isascii() and token.isprintable()):
            raise BadConfig("invalid API token: it must be printable ASCII")
        return {"Authorization": f"Bearer {token}"}


class Masters:
    """All storagemasters of a cluster."""

    def __init__(
        self,
        servers: Sequence[str],
        session: aiohttp.ClientSession,
        credentials: Credentials,
        *,
        retries: Retries,
        timeouts: Timeouts,
    ) -> None:
        self._servers = tuple(servers)
        self._session = session
        self._credentials = credentials
        self._retries = retries
        self._timeouts = timeouts
        # Index of the server that gets the next request. A server without a response advances it.
        self._first = 0
        self._jitter = random.SystemRandom().random

    async def send(self, request: Request, *, sent: SendProgress | None = None) -> Response:
        """Send a request until a storagemaster handles it, and return the response.

        `sent` holds the progress of the last attempt.

        Raises:
            Refused: The cluster rejected the request.
            ClusterError: No storagemaster confirmed the request.
            UnusableSource: The body cannot be read.
        """
        sent = sent or SendProgress()
        failures = Failures()
        first = self._first
        for attempt in itertools.count(1):
            server = self._servers[(first + attempt - 1) % len(self._servers)]
            outcome = await self._try(server, request, sent)
            if isinstance(outcome, Response) and outcome.status not in RETRYABLE_STATUSES:
                if outcome.status >= 300:
                    raise error_of(outcome.problem())
                return outcome
            failures.record(server, outcome, has_left=sent.bytes_sent > 0 or not request.body)
            obstacle = _obstacle(request, may_have_succeeded=failures.may_have_succeeded)
            next_step = decide(
                self._retries,
                attempt=attempt,
                servers=len(self._servers),
                can_send_again=not obstacle,
                retry_after_seconds=retry_after_of(outcome),
                jitter=self._jitter(),
            )
            if isinstance(next_step, GiveUp):
                raise failures.error(obstacle)
            if request.renew is not None and not failures.may_have_succeeded:
                request.renew()
            await asyncio.sleep(next_step.pause_seconds)
        raise AssertionError

    @property
    def current(self) -> str:
        """The storagemaster that gets the next request."""
        return self._servers[self._first]

    async def send_once(self, request: Request) -> Response | NoResponse:
        """Send a request to the current storagemaster, once."""
        return await self._try(self.current, request, SendProgress())

    async def pause(self, failures: "Failures", outcome: Response | NoResponse) -> None:
        """Wait before the next attempt of a caller that records its failures itself.

        Raises:
            ClusterError: There were enough attempts.
        """
        next_step = decide(
            self._retries,
            attempt=failures.count,
            servers=len(self._servers),
            can_send_again=True,
            retry_after_seconds=retry_after_of(outcome),
            jitter=self._jitter(),
        )
        if isinstance(next_step, GiveUp):
            raise failures.error()
        # The storagemaster that lost the connection stores what it has received first.
        await asyncio.sleep(max(next_step.pause_seconds, self._retries.first_pause_seconds))

    async def _try(
        self, server: str, request: Request, sent: SendProgress
    ) -> Response | NoResponse:
        headers = {**request.headers, **self._credentials.headers(request.route)}
        try:
            return await send_request(
                self._session,
                server,
                request,
                timeouts=self._timeouts,
                headers=headers,
                sent=sent,
            )
        except NoResponse as error:
            if self._servers[self._first] == server:
                self._first = (self._first + 1) % len(self._servers)
            return error


class Failures:
    """The failures of the attempts, each message once with its servers."""

    def __init__(self) -> None:
        self._servers_by_message: dict[str, dict[str, None]] = {}
        self._problem: Problem | None = None
        self.may_have_succeeded = False
        self.count = 0

    def record(self, server: str, outcome: Response | Exception, *, has_left: bool = True) -> None:
        """Record a failure. `has_left` is True if the server may have received the request."""
        self.count += 1
        message = str(outcome)
        if isinstance(outcome, Response):
            self._problem = outcome.problem()
            message = str(error_of(self._problem))
        # A 503 comes from a storagemaster and means that nothing was acknowledged. 502 and 504 come
        # from a proxy, which cannot know.
        if not (isinstance(outcome, Response) and outcome.status == 503):
            self.may_have_succeeded = self.may_have_succeeded or has_left
        self._servers_by_message.setdefault(message, {})[server] = None

    def error(self, obstacle: str = "") -> ClusterError:
        """Return all failures as one error: `Unavailable` if any server responded.

        `obstacle` is the reason why the request cannot be sent again.
        """
        summary = "; ".join(
            f"{', '.join(servers)}: {message}"
            for message, servers in self._servers_by_message.items()
        )
        if obstacle:
            summary += f"; {obstacle}"
        error: ClusterError = Unreachable(summary)
        if self._problem is not None:
            error = Unavailable(summary, problem=self._problem)
        error.may_have_succeeded = self.may_have_succeeded
        return error


def _obstacle(request: Request, *, may_have_succeeded: bool) -> str:
    """Return why a request cannot be sent again, or "" if it can."""
    if may_have_succeeded and not request.is_repeatable:
        return (
            "it may have succeeded, and a repetition without Idempotency-Key could store it twice"
        )
    return ""


def is_temporary(outcome: Response | NoResponse) -> bool:
    """Return True if another attempt can succeed."""
    return not isinstance(outcome, Response) or outcome.status in RETRYABLE_STATUSES


def retry_after_of(outcome: Response | Exception) -> float | None:
    """Return the server's Retry-After in seconds, or None."""
    return outcome.retry_after_seconds if isinstance(outcome, Response) else None
