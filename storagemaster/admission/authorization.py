"""Authorization of requests, as the route table in `wire.py` states it."""

import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping
from types import MappingProxyType

from aiohttp import web

from permission_urls import (
    NO_EXPIRY,
    Expired,
    Forbidden,
    InternalVerifier,
    InvalidToken,
    KeySource,
    Purpose,
    Scope,
    Ticket,
    TicketVerifier,
    Token,
    TokenLimits,
    TokenVerifier,
    VolumeRange,
    WrongScope,
    round_up_expiry,
)
from permission_urls.expiry import is_expired
from permission_urls.tickets import PREFIX as TICKET_PREFIX
from runtime.http_server import read_body
from runtime.request_scope import describe_request
from storagemaster.admission.caller import Caller
from storagemaster.admission.cross_origin import CrossOrigin
from storagemaster.admission.path_fields import volume_in
from storagemaster.admission.quotas import UploadQuotas
from storagemaster.console.session import Sessions
from storagemaster.errors import BadArgument, NotAllowed, NotAuthorized, UnknownTicket
from storagemaster.photos.photo_urls import NO_URLS, UrlGrant
from storagemaster.resumable import tus
from storagemaster.wire import (
    EXPIRES_QUERY,
    SIGNATURE_HEADER,
    SIGNED_DIGEST_HEADER,
    Access,
    Route,
)
from storagenode.protocol.errors import InvalidSignature
from storagenode.protocol.wire import refuse_unless_signed
from volumes.cluster import Application
from volumes.durations import parse_duration
from volumes.json_text import parse_whole_number
from volumes.photo_path import VolumeId

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CALLER = web.RequestKey("CALLER", Caller)
"""The caller of a route that needs a token."""

URLS = web.RequestKey("URLS", UrlGrant)
"""The URLs that the response can have, for the handlers of routes with URLs."""

BODY = web.RequestKey("BODY", bytes)
"""The body of a request, for the handlers of routes with a limit for it."""


class Authorization:
    """Verification of API tokens and of signed requests."""

    def __init__(
        self,
        keys: KeySource,
        *,
        master: str,
        revoked_tokens: Container[str] = (),
        applications: Mapping[str, Application] = MappingProxyType({}),
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._revoked_tokens = revoked_tokens
        self._applications = applications
        self.cross_origin = CrossOrigin(applications.values())
        self._tokens = TokenVerifier(keys, is_revoked=revoked_tokens.__contains__)
        self._tickets = TicketVerifier(keys)
        self.sessions = Sessions(
            keys, master=master, revoked_tokens=revoked_tokens, now_seconds=now_seconds
        )
        self._signatures = {
            Access.SIGNED: InternalVerifier(keys, receiver=master),
            Access.MAP_KEY: InternalVerifier(keys, receiver=master, purpose=Purpose.MAP),
        }
        self._now_seconds = now_seconds
        self._quotas = UploadQuotas(now_seconds)

    def authorized(self, route: Route, handle: Handler) -> Handler:
        """Return the handler with the check that the route needs before it.

        The check precedes the body, which the handler finds at `BODY`.
        """

        async def authorized(request: web.Request) -> web.StreamResponse:
            match route.access:
                case Scope():
                    caller = request[CALLER] = self.sender_of(
                        request, route.access, takes_tickets=route.is_upload
                    )
                    describe_request(caller=caller.name)
                    self.cross_origin.refuse_other_origins(request, caller.application)
                    if "volume" in request.match_info:
                        caller.refuse_other_volumes(volume_in(request))
                    if route.is_upload:
                        self.admit(caller, request)
                    if route.has_urls:
                        request[URLS] = caller.url_grant(expiry_seconds=self._expiry_in(request))
                case Access.SIGNED | Access.MAP_KEY:
                    self._verify_signature(request, self._signatures[route.access])
                case Access.OPEN:
                    pass
            _refuse_unknown_query(request, route)
            if route.body_bytes_max:
                body = await read_body(request, bytes_max=route.body_bytes_max)
                if route.access is Access.SIGNED:
                    _verify_digest(request, body)
                request[BODY] = body
            return await handle(request)

        return authorized

    def optional_urls(self, request: web.Request, volume: VolumeId) -> UrlGrant:
        """Return the URLs of a volume's photo for a request that needs no token, but may have one.

        A ticket grants none, and its end ends no upload.

        Raises:
            NotAuthorized: The token is not valid.
        """
        authorization = request.headers.get("Authorization", "")
        if not authorization or _ticket_in(authorization):
            return NO_URLS
        caller = self.caller_of(authorization, None)
        if not caller.may_use(volume):
            return NO_URLS
        return caller.url_grant(expiry_seconds=self._expiry_in(request))

    def is_valid(self, caller: Caller) -> bool:
        """Return True if the caller's token has neither expired nor been revoked meanwhile."""
        return caller.token_id not in self._revoked_tokens and not is_expired(
            caller.expiry, self._now_seconds()
        )

    async def until_revoked(
        self, token_id: str, body: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        """Yield the body of an upload; raise instead of ending if its token is revoked meanwhile.

        A body can take hours, and may have begun before a leak was noticed.

        Raises:
            NotAuthorized: The token was revoked.
        """
        async for chunk in body:
            self._refuse_revoked(token_id)
            yield chunk
        self._refuse_revoked(token_id)

    def _refuse_revoked(self, token_id: str) -> None:
        if token_id in self._revoked_tokens:
            raise NotAuthorized(
                f"token {token_id} was revoked during the upload; nothing was stored"
            )

    def sender_of(
        self, request: web.Request, scope: Scope | None, *, takes_tickets: bool = False
    ) -> Caller:
        """Return the caller of a request with a token, or with the cookie of the console.

        Raises:
            NotAuthorized: It has neither, or one that is not valid.
            NotAllowed: It lacks the scope, if any is needed, or another web site sent it.
        """
        authorization = request.headers.get("Authorization")
        if authorization is None and (session := self.sessions.session_of(request)) is not None:
            if scope is not None and scope not in session.token.scopes:
                raise NotAllowed(f"this needs a token of scope {scope}")
            return self.caller_with(session.token)
        return self.caller_of(authorization or "", scope, takes_tickets=takes_tickets)

    def caller_of(
        self, authorization: str, scope: Scope | None, *, takes_tickets: bool = False
    ) -> Caller:
        """Return the caller with this Authorization header.

        Raises:
            NotAuthorized: The header has no valid token.
            NotAllowed: The token has another scope, or no volume of its application.
        """
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token:
            needed = f"a token of scope {scope}" if scope else "a token"
            raise NotAuthorized(f"send Authorization: Bearer with {needed}")
        if takes_tickets and (ticket := _ticket_in(authorization)):
            return self.caller_with_ticket(ticket)
        return self.caller_with(self.token_of(token.strip(), scope))

    def token_of(self, text: str, scope: Scope | None = None) -> Token:
        """Return a token that is valid now.

        Raises:
            NotAuthorized: It is not valid.
            NotAllowed: It lacks the scope, if any is needed.
        """
        try:
            return self._tokens.verify(text, scope_needed=scope, now_seconds=self._now_seconds())
        except InvalidToken as error:
            raise NotAuthorized(f"the token was refused: {error.reason}") from error
        except WrongScope as error:
            raise NotAllowed(f"this needs a token of scope {scope}") from error

    def caller_with(self, token: Token) -> Caller:
        """Return the caller with a verified token.

        Raises:
            NotAllowed: Its volumes are not volumes of its application.
        """
        caller = Caller(
            token_id=token.id,
            application=token.application,
            scopes=token.scopes,
            volumes=token.volumes,
            expiry=token.expiry,
            limits=token.limits,
        )
        return self._restricted(caller)

    def caller_with_ticket(self, text: str) -> Caller:
        """Return the caller with this ticket.

        Raises:
            NotAuthorized: The ticket is not valid.
            NotAllowed: Its volume is not one of its application.
        """
        try:
            ticket = self._tickets.verify(text, now_seconds=self._now_seconds())
        except Forbidden as error:
            reason = "it has ended" if isinstance(error, Expired) else "it is not valid"
            raise NotAuthorized(f"the ticket was refused: {reason}") from error
        return self._caller_of_ticket(ticket)

    def sender_of_ticket(self, caller: Caller, text: str) -> Caller:
        """Return the caller with a ticket of another caller's application, valid or ended.

        Raises:
            UnknownTicket: It is not a ticket of the application.
        """
        with contextlib.suppress(Forbidden):
            ticket = self._tickets.verify_ended(text)
            if ticket.application == caller.application:
                return self._caller_of_ticket(ticket)
        raise UnknownTicket(f"this is not a ticket of the application {caller.application}")

    def _caller_of_ticket(self, ticket: Ticket) -> Caller:
        volume = ticket.volume
        caller = Caller(
            token_id=f"ticket {ticket.id}",
            application=ticket.application,
            scopes=frozenset({Scope.UPLOAD}),
            volumes=None if volume is None else (VolumeRange(volume, volume),),
            bytes_max=ticket.bytes_max,
            formats=ticket.formats,
            expiry=ticket.expiry,
            limits=TokenLimits(),
            ticket=ticket,
        )
        return self._restricted(caller)

    def admit(self, caller: Caller, request: web.Request) -> None:
        """Count an upload.

        Raises:
            QuotaExceeded: It exceeds a limit of the caller.
            BadArgument: The caller's bytes are limited, and the upload has no announced length.
        """
        self._quotas.admit(caller, _announced_bytes(request))

    def _restricted(self, caller: Caller) -> Caller:
        application = self._applications.get(caller.application)
        return caller if application is None else caller.restricted_to(application)

    def _expiry_in(self, request: web.Request) -> int:
        """Return the second at which the URLs of the response end; 0 never ends."""
        text = request.query.get(EXPIRES_QUERY)
        if text is None:
            return NO_EXPIRY
        try:
            lifetime = parse_duration(text)
        except ValueError as error:
            raise BadArgument(f"invalid {EXPIRES_QUERY}: {error}") from error
        return round_up_expiry(self._now_seconds(), lifetime_seconds=int(lifetime.total_seconds()))

    def _verify_signature(self, request: web.Request, verifier: InternalVerifier) -> None:
        refuse_unless_signed(
            verifier,
            request.headers.get(SIGNATURE_HEADER),
            method=request.method,
            path=request.raw_path,
            digest=request.headers.get(SIGNED_DIGEST_HEADER, ""),
            now_seconds=self._now_seconds(),
        )


def _ticket_in(authorization: str) -> str:
    """Return the ticket in a header, or an empty text."""
    token = authorization.partition(" ")[2].strip()
    return token if token.startswith(f"{TICKET_PREFIX}.") else ""


def _refuse_unknown_query(request: web.Request, route: Route) -> None:
    if route.method == "OPTIONS":
        return  # a preflight has the query of the request after it
    if unknown := request.query.keys() - set(route.known_query):
        raise BadArgument(
            f"unknown query parameters: {', '.join(sorted(unknown))}; "
            f"known parameters: {', '.join(route.known_query) or 'none'}"
        )


def _announced_bytes(request: web.Request) -> int | None:
    """Return the announced length of the whole photo."""
    text = request.headers.get(tus.LENGTH_HEADER)
    try:
        return parse_whole_number(text) if text is not None else request.content_length
    except ValueError:
        return None  # the handler refuses it


def _verify_digest(request: web.Request, body: bytes) -> None:
    digest = request.headers.get(SIGNED_DIGEST_HEADER, "")
    if hashlib.sha256(body).hexdigest() != digest:
        raise InvalidSignature(f"invalid body: its SHA-256 is not {digest!r}")
