"""Sessions of the console, and the links that begin one, signed with the time.

Both are texts of itsdangerous' `URLSafeTimedSerializer`, signed by the keys of the purpose
`console`. A session has the claims of its token and not the token's text. A link has the id of a
token that exists nowhere else, with all scopes: the person who prints it has the keys.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from permission_urls.errors import MalformedToken, TokenExpired
from permission_urls.expiry import is_expired
from permission_urls.key_source import KeySource
from permission_urls.purposes import Purpose
from permission_urls.signing import derived_keys
from permission_urls.tokens import DEFAULT_APPLICATION, Scope, Token, claims_of, parse_claims

SESSION_SECONDS = 12 * 3600
LINK_SECONDS = 15 * 60

_SESSION, _LINK = "session", "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in browser: the claims of its token, and the secret of its pages."""

    token: Token
    csrf: str
    """A text that requests which change something must repeat in a header."""
    begun_seconds: int

    @property
    def ends_seconds(self) -> int:
        """The second at which it ends at the latest."""
        end = self.begun_seconds + SESSION_SECONDS
        return min(end, self.token.expiry) if self.token.expiry else end


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLink:
    """A link that signs in one browser at one storagemaster."""

    token: Token
    master: str
    made_seconds: int


class SessionSigner:
    """Signer and verifier of sessions and links, which follows the keys of its source."""

    def __init__(self, keys: KeySource, *, now_seconds: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._now_seconds = now_seconds

    def sign_session(self, token: Token, csrf: str) -> str:
        """Return a session that begins now."""
        return self._sign(_SESSION, {"token": claims_of(token), "csrf": csrf})

    def verify_session(self, text: str) -> Session:
        """Return a session that has not ended.

        Raises:
            InvalidToken: The text is not a session, or it has ended.
        """
        fields, begun = self._verify(_SESSION, text, SESSION_SECONDS)
        session = Session(
            token=parse_claims(fields["token"]), csrf=str(fields["csrf"]), begun_seconds=begun
        )
        if is_expired(session.token.expiry, self._now_seconds()):
            raise TokenExpired(f"token {session.token.id} has expired")
        return session

    def sign_link(self, token_id: str, *, master: str) -> str:
        """Return a link that a storagemaster accepts once, for some minutes."""
        return self._sign(_LINK, [token_id, master])

    def verify_link(self, text: str) -> SignInLink:
        """Return a link that has not ended. The caller refuses a second use.

        Raises:
            InvalidToken: The text is not a link, or it has ended.
        """
        (token_id, master), made = self._verify(_LINK, text, LINK_SECONDS)
        token = Token(
            id=token_id,
            application=DEFAULT_APPLICATION,
            scopes=frozenset(Scope),
            expiry=made + SESSION_SECONDS,
        )
        return SignInLink(token=token, master=master, made_seconds=made)

    def _sign(self, kind: str, fields: object) -> str:
        return str(self._serializer(kind).dumps(fields))

    def _verify(self, kind: str, text: str, seconds_max: int) -> tuple[Any, int]:
        try:
            fields, signed = self._serializer(kind).loads(
                text, max_age=seconds_max, return_timestamp=True
            )
        except BadData as error:
            raise MalformedToken(f"this is not a {kind}, or it has ended") from error
        return fields, int(signed.timestamp())

    def _serializer(self, kind: str) -> URLSafeTimedSerializer:
        ring = self._keys.ring(Purpose.CONSOLE)
        keys = derived_keys(ring, Purpose.CONSOLE)
        signing = keys.pop(ring.signing_key.key_id)
        return URLSafeTimedSerializer(
            [*keys.values(), signing],
            salt=kind,
            signer=_Signer,
            signer_kwargs={
                "key_derivation": "hmac",
                "digest_method": hashlib.sha256,
                "now_seconds": self._now_seconds,
            },
        )


class _Signer(TimestampSigner):
    def __init__(self, *args: Any, now_seconds: Callable[[], float], **options: Any) -> None:
        super().__init__(*args, **options)
        self._now_seconds = now_seconds

    def get_timestamp(self) -> int:
        return int(self._now_seconds())
