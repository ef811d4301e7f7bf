r"""API tokens, with which an application uploads, reads, and deletes photos.

    gp2.{key}.{claims}.{mac}      signed claims (`signed_claims.py`) of the purpose `token`

    {"id": "k3v9q2mf", "application": "shop", "scopes": ["read", "upload"], "expiry": 1893456000}

`id` is random; a revocation names it. `expiry` is in seconds since the epoch, and 0 never expires.
A token can also have `volumes`, a list of ranges such as [[1, 8]], `uploads_per_minute`, and
`bytes_per_day`. A claim that this version does not know makes the token invalid, because it can be
a restriction. No scope implies another, not even `admin`. A token is a bearer token: it belongs in
an Authorization header and never in a log.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from permission_urls.errors import (
    BadTokenSignature,
    Forbidden,
    MalformedToken,
    NoPermission,
    TokenExpired,
    TokenRevoked,
    Unsignable,
    WrongScope,
)
from permission_urls.expiry import EXPIRY_SECONDS_MAX, is_expired
from permission_urls.key_source import KeySource
from permission_urls.keys import KeyRing, RandomBytes
from permission_urls.purposes import Purpose
from permission_urls.signed_claims import ClaimsKind, ClaimsVerifier, sign_claims

TOKEN_KIND = ClaimsKind(prefix="gp2", purpose=Purpose.TOKEN)
DEFAULT_APPLICATION = "default"
APPLICATION_PATTERN = "[a-z][a-z0-9-]{0,31}"
TOKEN_ID_PATTERN = "[0-9a-hjkmnp-tv-z]{8}"  # noqa: S105  # of a public id
VOLUME_RANGES_MAX = 64
VERIFIED_MAX = 1000
"""Number of tokens whose signature a verifier remembers."""

_VOLUME_MAX = 65_535
_ID_CHARACTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_APPLICATION = re.compile(APPLICATION_PATTERN)
_TOKEN_ID = re.compile(TOKEN_ID_PATTERN)
_REQUIRED = frozenset({"id", "application", "scopes", "expiry"})
_LIMITS = ("bytes_per_day", "uploads_per_minute")
_CLAIMS = _REQUIRED | {*_LIMITS, "volumes"}


class Scope(StrEnum):
    """Group of operations that an API token allows."""

    ADMIN = "admin"
    """Repair, regenerate, and move photos; find and explain every photo."""
    AUDIT = "audit"
    """Read the log of deletes and of operators' requests."""
    DELETE = "delete"
    """Delete, undelete, and revoke photos."""
    ORIGINAL = "original"
    """Get URLs of originals, in the responses that `read` gives URLs of sizes."""
    READ = "read"
    """Get the state of photos, URLs of their sizes, and events."""
    STATUS = "status"
    """Get the state of the cluster, its metrics, and the progress of scrubs."""
    UPLOAD = "upload"
    """Upload photos."""


class VolumeRange(NamedTuple):
    """Volumes from `first` to `last`, both included."""

    first: int
    last: int


VolumeRanges = tuple[VolumeRange, ...]


def is_in_ranges(volume: int, ranges: VolumeRanges | None) -> bool:
    """Return True if a range has the volume, or if `ranges` is None, which is all volumes."""
    return ranges is None or any(each.first <= volume <= each.last for each in ranges)


def common_ranges(one: VolumeRanges | None, other: VolumeRanges | None) -> VolumeRanges | None:
    """Return the volumes that both have. They can be none.

    >>> common_ranges((VolumeRange(1, 8),), (VolumeRange(6, 9),))
    (VolumeRange(first=6, last=8),)
    """
    if one is None or other is None:
        return other if one is None else one
    pairs = ((max(a.first, b.first), min(a.last, b.last)) for a in one for b in other)
    return tuple(VolumeRange(first, last) for first, last in pairs if first <= last)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLimits:
    """Limits of the uploads with one token at each storagemaster; None sets no limit."""

    uploads_per_minute: int | None = None
    bytes_per_day: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An API token. `expiry` is in seconds since the epoch; 0 never expires.

    Raises:
        Unsignable: A value is invalid.
    """

    id: str
    application: str
    scopes: frozenset[Scope]
    expiry: int
    volumes: VolumeRanges | None = None
    """The volumes that it opens, or None for all."""
    limits: TokenLimits = TokenLimits()

    def __post_init__(self) -> None:
        problem = _problem_of(self)
        if problem:
            raise Unsignable(problem)


def generate_token_id(random_bytes: RandomBytes) -> str:
    """Return the id of a new token: 40 random bits as eight characters."""
    number = int.from_bytes(random_bytes(5), "big")
    return "".join(_ID_CHARACTERS[number >> shift & 31] for shift in range(0, 40, 5))


def is_token_id(text: str) -> bool:
    """Return True if the text has the form of a token's id."""
    return _TOKEN_ID.fullmatch(text) is not None


def parse_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return scopes by their names.

    Raises:
        Unsignable: A name is unknown.
    """
    try:
        return frozenset(Scope(name) for name in names)
    except ValueError as error:
        raise Unsignable(f"{error}; known scopes: {', '.join(Scope)}") from error


def sign_token(keys: KeySource, token: Token) -> str:
    """Return the text of a token, signed with the signing key."""
    return sign_claims(keys, TOKEN_KIND, claims_of(token))


def claims_of(token: Token) -> dict[str, Any]:
    """Return the claims of a token, as JSON."""
    claims: dict[str, Any] = {
        "id": token.id,
        "application": token.application,
        "scopes": sorted(token.scopes),
        "expiry": token.expiry,
    }
    if token.volumes is not None:
        claims["volumes"] = [list(each) for each in token.volumes]
    limits = {name: getattr(token.limits, name) for name in _LIMITS}
    return claims | {name: limit for name, limit in limits.items() if limit is not None}


def parse_claims(claims: Mapping[str, Any]) -> Token:
    """Parse what `claims_of` returns.

    Raises:
        MalformedToken: A claim is missing, unknown, or invalid.
    """
    if not _REQUIRED <= claims.keys() <= _CLAIMS:
        raise MalformedToken("the token has other claims than this version knows")
    try:
        volumes = claims.get("volumes")
        return Token(
            id=claims["id"],
            application=claims["application"],
            scopes=parse_scopes(claims["scopes"]),
            expiry=claims["expiry"],
            volumes=None if volumes is None else tuple(VolumeRange(*each) for each in volumes),
            limits=TokenLimits(**{name: claims.get(name) for name in _LIMITS}),
        )
    except (Unsignable, TypeError, ValueError) as error:
        raise MalformedToken("the token has an invalid claim") from error


class TokenVerifier:
    """Verifier of tokens. `is_revoked` returns True for the id of a revoked token.

    It remembers the tokens that the present keys have signed, because most requests repeat one.
    """

    __slots__ = ("_claims", "_is_revoked", "_ring", "_signed")

    def __init__(
        self, keys: KeySource, *, is_revoked: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._claims = ClaimsVerifier(keys, TOKEN_KIND)
        self._is_revoked = is_revoked
        self._ring: KeyRing | None = None
        self._signed: dict[str, Token] = {}

    def verify(self, text: str, *, scope_needed: Scope | None, now_seconds: float) -> Token:
        """Return the token if it is valid now and has the scope, if any is needed.

        Raises:
            InvalidToken: MalformedToken, BadTokenSignature, TokenRevoked, or TokenExpired; respond
                with 401.
            WrongScope: The token is valid but lacks the scope; respond with 403.
        """
        token = self._signed_token(text)
        if self._is_revoked(token.id):
            raise TokenRevoked(f"token {token.id} was revoked")
        if is_expired(token.expiry, now_seconds):
            raise TokenExpired(f"token {token.id} has expired")
        if scope_needed is not None and scope_needed not in token.scopes:
            raise WrongScope(scope_needed)
        return token

    def _signed_token(self, text: str) -> Token:
        """Return a token that a present key has signed, whether or not it is valid now."""
        # The keys can change during the verification below: then the next call forgets all.
        if (ring := self._claims.ring()) is not self._ring:
            self._ring, self._signed = ring, {}
        token = self._signed.get(text)
        if token is not None:
            return token
        try:
            token = parse_claims(self._claims.verify(text))
        except NoPermission as error:
            raise MalformedToken("malformed token") from error
        except Forbidden as error:
            raise BadTokenSignature(error.reason) from error
        if len(self._signed) >= VERIFIED_MAX:
            self._signed.clear()
        self._signed[text] = token
        return token


def _problem_of(token: Token) -> str:
    """Return the first problem of a token's values, or an empty text."""
    if not _TOKEN_ID.fullmatch(token.id):
        return f"invalid id {token.id!r}: must be 8 characters of {_ID_CHARACTERS}"
    if not _APPLICATION.fullmatch(token.application):
        return (
            f"invalid application {token.application!r}: must be a-z, 0-9, and dashes, "
            "a letter first, at most 32 characters"
        )
    if not token.scopes:
        return f"a token needs a scope; known scopes: {', '.join(Scope)}"
    if not _is_whole(token.expiry, 0, EXPIRY_SECONDS_MAX):
        return f"expiry {token.expiry} is out of range: 0 to {EXPIRY_SECONDS_MAX}"
    ranges = token.volumes
    if ranges is not None and not (
        0 < len(ranges) <= VOLUME_RANGES_MAX
        and all(_is_whole(r.first, 1, _VOLUME_MAX) for r in ranges)
        and all(_is_whole(r.last, r.first, _VOLUME_MAX) for r in ranges)
    ):
        return f"invalid volumes: 1 to {VOLUME_RANGES_MAX} ranges from 1 to {_VOLUME_MAX}"
    for name in _LIMITS:
        limit = getattr(token.limits, name)
        if limit is not None and not _is_whole(limit, 1, EXPIRY_SECONDS_MAX):
            return f"invalid {name} {limit}: must be a positive number"
    return ""


def _is_whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most
