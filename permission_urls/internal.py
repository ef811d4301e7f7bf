r"""Signed requests between the processes of a cluster.

    {key}.{expiry}.{mac}          the header; the MAC has the salt `internal`, or `map` for a
                                  request for the volume map, and covers
    {expiry}\n{receiver}\n{method}\n{path}\n{digest}

`receiver` is the id of the node or storagemaster that the request is for: no other process accepts
a captured request. `path` is the raw request target with its query. `digest` is the SHA-256 of the
body as 64 lower-case hex characters, also for an empty body, or `-` if the sender does not know it
yet.

A streamed PUT has two signatures. The opening one, over `-`, admits the bytes and commits nothing.
The closing one covers the digest of the sent bytes. The receiver verifies it against the digest
that it computed itself, and discards the bytes if the check fails. A stolen opening signature can
therefore not commit other bytes, and neither signature replaces the other. A request that commits
without a closing signature must never be verified with `-`.
"""

import re

from permission_urls.errors import Expired, NoPermission, TooFarAhead, Unsignable
from permission_urls.expiry import (
    EXPIRY_PATTERN,
    NO_EXPIRY,
    is_expired,
    parse_expiry,
    render_expiry,
)
from permission_urls.key_source import KeySource
from permission_urls.keys import KEY_ID_PATTERN
from permission_urls.purposes import Purpose
from permission_urls.signing import MAC_PATTERN, PurposeSigner, PurposeVerifier

DIGEST_IN_TRAILER = "-"

# Lifetime of a signature: longer than any transfer, and short enough to limit a replay.
SIGNATURE_SECONDS = 300
# The clock of a sender can be ahead of the receiver's by this much. Behind it, by a lifetime.
CLOCK_SKEW_SECONDS_MAX = 300
_EXPIRY_AHEAD_SECONDS_MAX = SIGNATURE_SECONDS + CLOCK_SKEW_SECONDS_MAX

_HEADER = re.compile(rf"({KEY_ID_PATTERN})\.({EXPIRY_PATTERN})\.({MAC_PATTERN})")
_REQUEST = re.compile(r"[!-~]{1,64}\n[A-Z]{1,16}\n/[!-~]*\n(?:-|[0-9a-f]{64})")


class InternalSigner:
    """Signer of requests with the signing key."""

    __slots__ = ("_signer",)

    def __init__(self, keys: KeySource, purpose: Purpose = Purpose.INTERNAL) -> None:
        """Sign with the keys of a purpose: `MAP` for reads of the volume map."""
        self._signer = PurposeSigner(keys, purpose)

    def sign_request(
        self, *, receiver: str, method: str, path: str, digest: str, expiry_seconds: int
    ) -> str:
        """Return the header for one request, valid until `expiry_seconds` since the epoch.

        Raises:
            Unsignable: The request does not match the grammar, or never expires.
        """
        request = _join_request(receiver, method, path, digest)
        if request is None:
            raise Unsignable(
                f"cannot sign {method!r} {path!r} for {receiver!r} with digest {digest!r}: "
                "ambiguous"
            )
        if expiry_seconds == NO_EXPIRY:
            raise Unsignable("an internal request must expire")
        expiry_text = render_expiry(expiry_seconds)
        key_id, mac = self._signer.current()
        message = f"{expiry_text}\n{request}".encode()
        return f"{key_id}.{expiry_text}.{mac(message)}"


class InternalVerifier:
    """Verifier of the headers of requests to one receiver."""

    __slots__ = ("_keys", "receiver")

    def __init__(
        self, keys: KeySource, *, receiver: str, purpose: Purpose = Purpose.INTERNAL
    ) -> None:
        self.receiver = receiver
        self._keys = PurposeVerifier.of(keys, purpose)

    def verify_request(
        self, text: str, *, method: str, path: str, digest: str, now_seconds: float
    ) -> str:
        """Return the id of the key that signed this request. A missing header is an empty text.

        `digest` is the one that the receiver computed, or `-` for the opening of a streamed PUT.

        Raises:
            Forbidden: The signature is invalid; respond with the constant 403. The subclass has the
                reason, for logs only.
        """
        header = _HEADER.fullmatch(text)
        request = _join_request(self.receiver, method, path, digest)
        if header is None or request is None:
            raise NoPermission
        key_id, expiry_text, mac = header.groups()
        self._keys.check(f"{expiry_text}\n{request}".encode(), key_id=key_id, mac=mac)
        expiry_seconds = parse_expiry(expiry_text)
        if is_expired(expiry_seconds, now_seconds):
            raise Expired
        if expiry_seconds > now_seconds + _EXPIRY_AHEAD_SECONDS_MAX:
            raise TooFarAhead
        return key_id


def _join_request(receiver: str, method: str, path: str, digest: str) -> str | None:
    # The pattern allows no newline in a field, so the joined text has only one reading.
    request = f"{receiver}\n{method}\n{path}\n{digest}"
    return request if _REQUEST.fullmatch(request) else None
