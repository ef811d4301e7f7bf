"""API tokens, with which an application uploads, reads, and deletes photos.

    gp1.{key}.{scopes}.{expiry}.{mac}
    gp1.a.delete+upload.0.VHvGwY3dJ7gqkB1cKJ5yQf0x

Scopes are joined by `+` in alphabetical order, each once. The MAC (salt `upload`) covers everything
before its dot. No scope implies another, not even `admin`. A token is a bearer token: it belongs in
an Authorization header and never in a log.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from permission_urls.errors import (
    BadTokenSignature,
    Forbidden,
    MalformedToken,
    TokenExpired,
    Unsignable,
    WrongScope,
)
from permission_urls.expiry import (
    EXPIRY_PATTERN,
    NO_EXPIRY,
    is_expired,
    parse_expiry,
    render_expiry,
)
from permission_urls.keys import KEY_ID_PATTERN, KeyRing
from permission_urls.signing import MAC_PATTERN, Purpose, PurposeSigner, PurposeVerifier

_TOKEN = re.compile(
    rf"(gp1\.({KEY_ID_PATTERN})\.([a-z+]{{1,64}})\.({EXPIRY_PATTERN}))\.({MAC_PATTERN})"
)


class Scope(StrEnum):
    """Group of operations that an API token allows."""

    ADMIN = "admin"
    DELETE = "delete"
    READ = "read"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A verified API token. `expiry` is in seconds since the epoch; 0 never expires."""

    key_id: str
    scopes: frozenset[Scope]
    expiry: int


def sign_token(ring: KeyRing, scopes: Iterable[str], *, expiry_seconds: int = NO_EXPIRY) -> str:
    """Return a token for these scopes, signed with the ring's signing key.

    Raises:
        Unsignable: `scopes` is empty, a scope is unknown, or the expiry is out of range.
    """
    scopes_text = "+".join(sorted(set(scopes)))
    if _parse_scopes(scopes_text) is None:
        raise Unsignable(f"invalid scopes {scopes_text!r}; known scopes: {', '.join(Scope)}")
    signer = PurposeSigner(ring, Purpose.UPLOAD)
    signed = f"gp1.{signer.key_id}.{scopes_text}.{render_expiry(expiry_seconds)}"
    return f"{signed}.{signer.mac(signed.encode())}"


class TokenVerifier:
    """Verifier of tokens with the keys of one ring."""

    __slots__ = ("_keys",)

    def __init__(self, ring: KeyRing) -> None:
        self._keys = PurposeVerifier.of_ring(ring, Purpose.UPLOAD)

    def verify(self, text: str, *, scope_needed: Scope, now_seconds: float) -> Token:
        """Return the token if it is valid now and has the scope.

        Raises:
            InvalidToken: MalformedToken, BadTokenSignature, or TokenExpired; respond with 401.
            WrongScope: The token is valid but lacks the scope; respond with 403.
        """
        match = _TOKEN.fullmatch(text)
        scopes = _parse_scopes(match[3]) if match else None
        if match is None or scopes is None:
            raise MalformedToken("malformed token")
        signed, key_id, _, expiry_text, mac = match.groups()
        try:
            self._keys.check(signed.encode(), key_id=key_id, mac=mac)
        except Forbidden as error:
            raise BadTokenSignature(error.reason) from error
        token = Token(key_id=key_id, scopes=scopes, expiry=parse_expiry(expiry_text))
        if is_expired(token.expiry, now_seconds):
            raise TokenExpired("expired")
        if scope_needed not in token.scopes:
            raise WrongScope(scope_needed)
        return token


def _parse_scopes(text: str) -> frozenset[Scope] | None:
    names = text.split("+")
    if names != sorted(set(names)) or not set(names) <= set(Scope):
        return None
    return frozenset(Scope(name) for name in names)
