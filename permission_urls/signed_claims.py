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

from permission_urls.errors import NoPermission
from permission_urls.key_source import KeySource
from permission_urls.keys import KEY_ID_PATTERN
from permission_urls.purposes import Purpose
from permission_urls.signing import MAC_PATTERN, PurposeSigner, PurposeVerifier

CHARACTERS_MAX = 2048

_SIGNED = re.compile(rf"([a-z0-9]{{1,8}})\.({KEY_ID_PATTERN})\.([A-Za-z0-9_-]+)\.({MAC_PATTERN})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsKind:
    """A kind of signed claims: its prefix, and the purpose of the keys that sign it."""

    prefix: str
    purpose: Purpose


def sign_claims(keys: KeySource, kind: ClaimsKind, claims: Mapping[str, Any]) -> str:
    """Return the claims as signed text."""
    key_id, mac = PurposeSigner(keys, kind.purpose).current()
    document = json.dumps(claims, separators=(",", ":")).encode()
    payload = base64.urlsafe_b64encode(document).decode().rstrip("=")
    signed = f"{kind.prefix}.{key_id}.{payload}"
    return f"{signed}.{mac(signed.encode())}"


class ClaimsVerifier:
    """Verifier of one kind of signed claims."""

    __slots__ = ("_keys", "_kind")

    def __init__(self, keys: KeySource, kind: ClaimsKind) -> None:
        self._kind = kind
        self._keys = PurposeVerifier.of(keys, kind.purpose)

    def verify(self, text: str) -> dict[str, Any]:
        """Return the claims of a text that a holder of a key signed.

        Raises:
            NoPermission: The text is not signed claims of this kind.
            UnknownKey, RetiredKey, BadMac: The signature is invalid.
        """
        match = _SIGNED.fullmatch(text) if len(text) <= CHARACTERS_MAX else None
        if match is None or match[1] != self._kind.prefix:
            raise NoPermission
        _, key_id, payload, mac = match.groups()
        self._keys.check(text.rpartition(".")[0].encode(), key_id=key_id, mac=mac)
        try:
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (binascii.Error, ValueError) as error:
            raise NoPermission from error
        if not isinstance(claims, dict):
            raise NoPermission
        return claims
