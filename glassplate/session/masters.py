"""Asking the storagemasters: whichever answers, again where that is safe, and who may ask what."""

import asyncio
import itertools
import random
import time
from collections.abc import Mapping, Sequence

import aiohttp

from glassplate.errors import (
    BadConfig,
    ClusterError,
    NoToken,
    Problem,
    Unavailable,
    Unreachable,
    error_of,
)
from glassplate.session.exchange import (
    RETRYABLE_STATUSES,
    NoResponse,
    Request,
    Response,
    SendProgress,
    send_request,
)
from glassplate.session.retries import GiveUp, Retries, Timeouts, decide
from permission_urls import KeyRing, Scope, sign_token

# Long enough for clocks that differ; a token is signed anew for each request.
TOKEN_SECONDS = 600


class Credentials:
    """The API token that is shown: one that was given, or one signed for each request."""

    def __init__(self, token: str | None, keys: KeyRing | None, *, why_no_keys: str) -> None:
        self._token = token.strip() if token is not None else None
        self._keys = keys
        self._why_no_keys = why_no_keys

    def headers(self, scope: Scope) -> dict[str, str]:
        """The headers that show it; a token that is signed here opens this scope alone.

        Raises:
            NoToken: There is neither a token nor a key.
        """
        token = self._token
        if token is None:
            if self._keys is None:
                raise NoToken(f"an API token of scope {scope} is needed: {self._why_no_keys}")
            expiry = int(time.time()) + TOKEN_SECONDS
            token = sign_token(self._keys, [scope], expiry_seconds=expiry)
        elif not (token.isascii() and token.isprintable()):
            raise BadConfig("the API token has characters that no token has")
        return {"Authorization": f"Bearer {token}"}


class Masters:
    """All storagemasters of a cluster, as one to ask."""

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
        # Where asking begins: the next one, after one that gave no answer.
        self._first = 0
        self._luck = random.SystemRandom().random

    async def ask(self, request: Request, *, sent: SendProgress | None = None) -> Response:
        """The answer of the first storagemaster that has one, with a status below 400.

        `sent` is told what left in the last attempt.

        Raises:
            Refused: The request is at fault.
            ClusterError: Nobody did what was asked, or said so.
            UnusableSource: The body cannot be read.
        """
        scope = request.route.access
        assert isinstance(scope, Scope), "a client sends only requests that need a token"
        sent = sent or SendProgress()
        failures = Failures()
        first = self._first
        for attempt in itertools.count(1):
            server = self._servers[(first + attempt - 1) % len(self._servers)]
            extra = request.first_attempt_headers if attempt == 1 else {}
            headers = {
                **request.headers,
                **extra,
                **self._credentials.headers(scope),
            }
            outcome = await self._try(server, request, headers, sent)
            if isinstance(outcome, Response) and outcome.status not in RETRYABLE_STATUSES:
                return _accept(outcome)
            failures.record(server, outcome, has_left=sent.bytes_sent > 0 or not request.body)
            can_send_again = (
                request.body is None or request.body.is_replayable or not sent.bytes_sent
            )
            next_step = decide(
                self._retries,
                attempt=attempt,
                servers=len(self._servers),
                can_send_again=can_send_again,
                retry_after_seconds=retry_after_of(outcome),
                jitter=self._luck(),
            )
            if isinstance(next_step, GiveUp):
                raise failures.error(can_send_again=can_send_again)
            await asyncio.sleep(next_step.pause_seconds)
        raise AssertionError

    async def _try(
        self, server: str, request: Request, headers: Mapping[str, str], sent: SendProgress
    ) -> Response | NoResponse:
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
    """What the servers that were asked said, or did not say, each thing once."""

    def __init__(self) -> None:
        self._servers_by_words: dict[str, dict[str, None]] = {}
        self._problem: Problem | None = None
        self._may_be_done = False

    def record(self, server: str, outcome: Response | Exception, *, has_left: bool = True) -> None:
        """Remember one more; `has_left` says whether the server may have got the request."""
        words = str(outcome)
        if isinstance(outcome, Response):
            self._problem = outcome.problem()
            words = str(error_of(self._problem))
        # A 503 is a storagemaster's word; the others are a proxy's, which does not know.
        if not (isinstance(outcome, Response) and outcome.status == 503):
            self._may_be_done = self._may_be_done or has_left
        self._servers_by_words.setdefault(words, {})[server] = None

    def error(self, *, can_send_again: bool = True) -> ClusterError:
        """All of them as one error: `Unavailable` if any server answered at all."""
        said = "; ".join(
            f"{', '.join(servers)}: {words}" for words, servers in self._servers_by_words.items()
        )
        if not can_send_again:
            said += "; what has been read of the source cannot be sent again"
        error: ClusterError = Unreachable(said)
        if self._problem is not None:
            error = Unavailable(said, problem=self._problem)
        error.may_have_succeeded = self._may_be_done
        return error


def _accept(answer: Response) -> Response:
    if answer.status >= 300:
        raise error_of(answer.problem())
    return answer


def retry_after_of(outcome: Response | Exception) -> float | None:
    """How long the server wants to be left alone, if it said so."""
    return outcome.retry_after_seconds if isinstance(outcome, Response) else None
