r"""Signed claims: a JSON object, and the MAC that proves that a holder of the key wrote it.

    {prefix}.{key}.{claims}.{mac}

`claims` is the JSON as base64url without padding. The MAC covers everything before its dot, as
sent, so no verifier has to write JSON again. The prefix names the kind, and each kind has a purpose
of its own: a text of one kind is invalid as any other.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from permission_urls.errors import NoPermission, Unsignable
from permission_urls.key_source import KeySource
from permission_urls.keys import KEY_ID_PATTERN, KeyRing
from permission_urls.purposes import Purpose
from permission_urls.signing import MAC_PATTERN, KeyedMac, PurposeSigner, PurposeVerifier

CHARACTERS_MAX = 2048

_SIGNED = re.compile(rf"([a-z0-9]{{1,8}})\.({KEY_ID_PATTERN})\.([A-Za-z0-9_-]+)\.({MAC_PATTERN})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsKind:
    """A kind of signed claims: its prefix, and the purpose of the keys that sign it."""

    prefix: str
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class SignedClaims:
    """The parts of a text, before anyone has verified it."""

    key_id: str
    values: Mapping[str, Any]
    signed: bytes
    """The part that the MAC covers."""
    mac: str


def render_claims(prefix: str, key_id: str, claims: Mapping[str, Any]) -> str:
    """Return the text of claims up to the dot before the MAC."""
    document = json.dumps(claims, separators=(",", ":")).encode()
    payload = base64.urlsafe_b64encode(document).decode().rstrip("=")
    return f"{prefix}.{key_id}.{payload}"


def render_signed(signed: str, mac: KeyedMac) -> str:
    """Return the text of claims with the MAC of what `render_claims` returned.

    Raises:
        Unsignable: The text would be longer than a verifier accepts.
    """
    text = f"{signed}.{mac(signed.encode())}"
    if len(text) > CHARACTERS_MAX:
        raise Unsignable(f"the signed claims have {len(text)} characters, above {CHARACTERS_MAX}")
    return text


def split_claims(text: str, prefix: str) -> SignedClaims:
    """Return the parts of a text of this kind, unverified.

    Raises:
        NoPermission: The text is not of this kind.
    """
    match = _SIGNED.fullmatch(text) if len(text) <= CHARACTERS_MAX else None
    if match is None or match[1] != prefix:
        raise NoPermission
    _, key_id, payload, mac = match.groups()
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise NoPermission from error
    if not isinstance(claims, dict):
        raise NoPermission
    return SignedClaims(key_id, claims, text.rpartition(".")[0].encode(), mac)


def sign_claims(keys: KeySource, kind: ClaimsKind, claims: Mapping[str, Any]) -> str:
    """Return the claims as signed text.

    Raises:
        Unsignable: The text would be longer than a verifier accepts.
    """
    key_id, mac = PurposeSigner(keys, kind.purpose).current()
    return render_signed(render_claims(kind.prefix, key_id, claims), mac)


class ClaimsVerifier:
    """Verifier of one kind of signed claims."""

    __slots__ = ("_keys", "_kind", "_source")

    def __init__(self, keys: KeySource, kind: ClaimsKind) -> None:
        self._kind = kind
        self._source = keys
        self._keys = PurposeVerifier.of(keys, kind.purpose)

    def verify(self, text: str) -> Mapping[str, Any]:
        """Return the claims of a text that a holder of a key signed.

        Raises:
            NoPermission: The text is not signed claims of this kind.
            UnknownKey, RetiredKey, BadMac: The signature is invalid.
        """
        claims = split_claims(text, self._kind.prefix)
        self._keys.check(claims.signed, key_id=claims.key_id, mac=claims.mac)
        return claims.values

    def ring(self) -> KeyRing:
        """Return the present keys: the same object as long as they do not change."""
        return self._source.ring(self._kind.purpose)
