"""Sessions of browsers: the cookie in place of a token, its protection, and the ways to begin one.

No session is stored: the cookie is signed, and the revocation of its token ends it. Only
the links that were used, and the attempts of the last minute, are in memory.
"""

import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable, Container
from urllib.parse import urlsplit

from aiohttp import web

from permission_urls import KeySource, Session, SessionSigner, Token
from permission_urls.errors import InvalidKeys, InvalidToken, TokenExpired, TokenRevoked
from permission_urls.sessions import LINK_SECONDS
from storagemaster.errors import NotAllowed, NotAuthorized

COOKIE = "glassplate_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
CSRF_HEADER = "Glassplate-CSRF"
SIGN_INS_PER_MINUTE = 5

_ADDRESSES_MAX = 10_000
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Sessions:
    """The sessions that one storagemaster accepts."""

    def __init__(
        self,
        keys: KeySource,
        *,
        master: str,
        revoked_tokens: Container[str] = (),
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._signer = SessionSigner(keys, now_seconds=now_seconds)
        self._master = master
        self._revoked_tokens = revoked_tokens
        self._now_seconds = now_seconds
        self._started_seconds = now_seconds()
        self._used_links: dict[str, float] = {}
        self._attempts: dict[str, deque[float]] = {}

    def session_of(self, request: web.Request) -> Session | None:
        """Return the session of a request's cookie, or None without a cookie.

        Raises:
            NotAuthorized: The session has ended.
            NotAllowed: Another web site sent the request.
        """
        text = request.cookies.get(SECURE_COOKIE) or request.cookies.get(COOKIE)
        if text is None:
            return None
        try:
            session = self._signer.verify_session(text)
            self._refuse_revoked(session.token)
        except (InvalidToken, InvalidKeys) as error:
            raise NotAuthorized("the session has ended; sign in again") from error
        _refuse_forged(request, session)
        return session

    def begin(self, token: Token) -> tuple[str, Session]:
        """Return the text of a new session, and the session."""
        text = self._signer.sign_session(token, secrets.token_urlsafe(18))
        return text, self._signer.verify_session(text)

    def set_cookie(
        self, request: web.Request, response: web.Response, text: str, session: Session
    ) -> None:
        """Set the cookie of a session in the browser that sent the request."""
        is_https = _is_https(request)
        response.set_cookie(
            SECURE_COOKIE if is_https else COOKIE,
            text,
            max_age=int(session.ends_seconds - self._now_seconds()),
            path="/",
            secure=is_https,
            httponly=True,
            samesite="Strict",
        )

    def is_over(self, session: Session) -> bool:
        """Return True if a session has reached its end."""
        return self._now_seconds() >= session.ends_seconds

    def remove_cookies(self, response: web.Response) -> None:
        """Sign out the browser. A copy of the cookie stays valid until its end."""
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        response.del_cookie(SECURE_COOKIE, path="/", secure=True, httponly=True, samesite="Strict")

    def token_of_link(self, text: str) -> Token:
        """Return the token of a link, which no later call accepts.

        Links from before the start of this process are refused, because it does not know which of
        them were used.

        Raises:
            NotAuthorized: The link was used, has ended, or is for another storagemaster.
        """
        now = self._now_seconds()
        self._used_links = {id_: end for id_, end in self._used_links.items() if end > now}
        try:
            link = self._signer.verify_link(text)
            self._refuse_revoked(link.token)
        except (InvalidToken, InvalidKeys) as error:
            raise NotAuthorized("this link has ended; sign in with a token") from error
        if link.master != self._master or link.made_seconds < int(self._started_seconds):
            raise NotAuthorized(
                "this storagemaster did not run when the link was made; sign in with a token"
            )
        if link.token.id in self._used_links:
            raise NotAuthorized("this link was used; sign in with a token")
        self._used_links[link.token.id] = link.made_seconds + LINK_SECONDS + 1
        return link.token

    def admit_attempt(self, address: str) -> None:
        """Count an attempt to sign in from an address.

        Raises:
            HTTPTooManyRequests: The address had too many within a minute.
        """
        now = self._now_seconds()
        if len(self._attempts) >= _ADDRESSES_MAX:
            self._attempts.clear()
        attempts = self._attempts.setdefault(address, deque())
        while attempts and attempts[0] <= now - 60:
            attempts.popleft()
        if len(attempts) >= SIGN_INS_PER_MINUTE:
            seconds = int(attempts[0] + 60 - now) + 1
            raise web.HTTPTooManyRequests(
                reason=f"too many attempts to sign in from this address; wait {seconds} s",
                headers={"Retry-After": str(seconds)},
            )
        attempts.append(now)

    def _refuse_revoked(self, token: Token) -> None:
        if token.id in self._revoked_tokens:
            raise TokenRevoked(f"token {token.id} was revoked")
        if token.expiry and token.expiry <= self._now_seconds():
            raise TokenExpired(f"token {token.id} has expired")


def refuse_other_sites(request: web.Request) -> None:
    """Raise unless the console's own page sent the request, or no page did.

    Raises:
        NotAllowed: A page of another origin sent it.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:
        origin = request.headers.get("Origin")
        site = "same-origin" if origin is None or is_own_origin(request) else "cross-site"
    if site not in {"same-origin", "none"}:
        raise NotAllowed("a page of another origin sent this request with the console's cookie")


def is_own_origin(request: web.Request) -> bool:
    """Return True if the `Origin` of a request is the storagemaster itself."""
    return urlsplit(request.headers.get("Origin", "")).netloc == request.host


def _refuse_forged(request: web.Request, session: Session) -> None:
    refuse_other_sites(request)
    if request.method in _SAFE_METHODS:
        return
    sent = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), session.csrf.encode()):
        raise NotAllowed(f"send {CSRF_HEADER} with the text of GET /console/session")


def _is_https(request: web.Request) -> bool:
    """Return True if the browser's connection is encrypted, perhaps by a proxy in between."""
    return request.secure or request.headers.get("Origin", "").startswith("https://")
