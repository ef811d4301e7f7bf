"""Authorization of requests, as the route table in `wire.py` states it."""

import hashlib
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from permission_urls import (
    InternalVerifier,
    InvalidToken,
    KeyRing,
    Scope,
    TokenVerifier,
    WrongScope,
)
from storagemaster.errors import NotAllowed, NotAuthorized
from storagemaster.wire import SIGNATURE_HEADER, Access, Route
from storagenode.protocol.wire import refuse_unless_signed

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Authorization:
    """Verification of API tokens and of signed requests."""

    def __init__(self, keys: KeyRing, *, now_seconds: Callable[[], float] = time.time) -> None:
        self._tokens = TokenVerifier(keys)
        self._signatures = InternalVerifier(keys)
        self._now_seconds = now_seconds

    def authorized(self, route: Route, handle: Handler) -> Handler:
        """Return the handler with the check that the route needs before it."""

        async def authorized(request: web.Request) -> web.StreamResponse:
            match route.access:
                case Scope():
                    self._verify_token(request, route.access)
                case Access.SIGNED:
                    await self._verify_signature(request)
                case Access.OPEN:
                    pass
            return await handle(request)

        return authorized

    def _verify_token(self, request: web.Request, scope: Scope) -> None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise NotAuthorized(f"send Authorization: Bearer with a token of scope {scope}")
        try:
            self._tokens.verify(token.strip(), scope_needed=scope, now_seconds=self._now_seconds())
        except InvalidToken as error:
            raise NotAuthorized(f"the token was refused: {error.reason}") from error
        except WrongScope as error:
            raise NotAllowed(f"this needs a token of scope {scope}") from error

    async def _verify_signature(self, request: web.Request) -> None:
        """Read the whole body, which the signature covers, and verify it."""
        refuse_unless_signed(
            self._signatures,
            request.headers.get(SIGNATURE_HEADER),
            method=request.method,
            path=request.raw_path,
            digest=hashlib.sha256(await request.read()).hexdigest(),
            now_seconds=self._now_seconds(),
        )
