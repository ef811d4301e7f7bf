r"""Signed requests between our own machines.

    {key}.{expiry}.{mac}          the header; the MAC has the salt `internal` and is made of
    {expiry}\n{method}\n{path}\n{digest}

`path` is the raw request target with its query. `digest` is the SHA-256 of the body, of an empty
one too, as 64 lower-case hex characters, or `-` where it is not known yet.

A streamed PUT is signed twice. It opens with a signature over `-`, which lets the bytes in but
commits nothing, and closes with a second signature over the digest of what was sent. The receiver
verifies the closing one against the digest it computed itself, never against one it was told, and
throws the bytes away if that fails. So a stolen opening cannot commit other bytes, and neither
signature serves as the other. A request that commits without a closing signature must never be
verified with `-`.
"""

import re

from permission_urls.errors import Expired, NoPermission, Unsignable
from permission_urls.expiry import (
    EXPIRY_PATTERN,
    NO_EXPIRY,
    is_expired,
    parse_expiry,
    render_expiry,
)
from permission_urls.keys import KEY_ID_PATTERN, KeyRing
from permission_urls.signing import MAC_PATTERN, Purpose, PurposeSigner, PurposeVerifier

DIGEST_IN_TRAILER = "-"

_HEADER = re.compile(rf"({KEY_ID_PATTERN})\.({EXPIRY_PATTERN})\.({MAC_PATTERN})")
_REQUEST = re.compile(r"[A-Z]{1,16}\n/[!-~]*\n(?:-|[0-9a-f]{64})")


class InternalSigner:
    """Signs requests with the ring's signing key."""

    __slots__ = ("_signer",)

    def __init__(self, ring: KeyRing) -> None:
        self._signer = PurposeSigner(ring, Purpose.INTERNAL)

    def sign_request(self, *, method: str, path: str, digest: str, expiry_seconds: int) -> str:
        """The header text for one request, good until `expiry_seconds`, which is absolute.

        Raises:
            Unsignable: The request has no one reading, or would never expire.
        """
        request = _join_request(method, path, digest)
        if request is None:
            raise Unsignable(f"{method!r} {path!r} with digest {digest!r} has no one reading")
        if expiry_seconds == NO_EXPIRY:
            raise Unsignable("an internal request must expire")
        expiry_text = render_expiry(expiry_seconds)
        mac = self._signer.mac(f"{expiry_text}\n{request}".encode())
        return f"{self._signer.key_id}.{expiry_text}.{mac}"


class InternalVerifier:
    """Checks the header of a request against what was received."""

    __slots__ = ("_keys",)

    def __init__(self, ring: KeyRing) -> None:
        self._keys = PurposeVerifier.of_ring(ring, Purpose.INTERNAL)

    def verify_request(
        self, text: str, *, method: str, path: str, digest: str, now_seconds: float
    ) -> str:
        """The id of the key that signed this request; an absent header is the empty text.

        `digest` is what the receiver computed, or `-` for the opening of a streamed PUT.

        Raises:
            Forbidden: Answer the constant 403; the subclass says why, for logs only.
        """
        header = _HEADER.fullmatch(text)
        request = _join_request(method, path, digest)
        if header is None or request is None:
            raise NoPermission
        key_id, expiry_text, mac = header.groups()
        self._keys.check(f"{expiry_text}\n{request}".encode(), key_id=key_id, mac=mac)
        if is_expired(parse_expiry(expiry_text), now_seconds):
            raise Expired
        return key_id


def _join_request(method: str, path: str, digest: str) -> str | None:
    # The path cannot hold a newline in this pattern, so the joined text falls apart in one way.
    request = f"{method}\n{path}\n{digest}"
    return request if _REQUEST.fullmatch(request) else None
