"""Body of an upload: its format is sniffed, its declared length and digest are verified."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from storagemaster.errors import (
    BadArgument,
    DigestMismatch,
    IdempotencyKeyReused,
    LengthMismatch,
    TooLarge,
    UnsupportedFormat,
)
from storagemaster.image_header.sniff import NeedMore, NotAPhoto, Sniffed, sniff

# Large color profiles and depth maps precede a JPEG's dimensions. More costs only memory.
HEAD_BYTES_MAX = 2 * 1024 * 1024

_SHA256_FIELD = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredBody:
    """Length and digest that the client declared before it sent the body."""

    bytes_total: int | None = None
    sha256: str | None = None


class UploadBody:
    """The body of an upload. The beginning is kept; the whole body can be read once."""

    def __init__(
        self, chunks: AsyncIterator[bytes], declared: DeclaredBody, *, bytes_max: int
    ) -> None:
        self._chunks = chunks
        self._declared = declared
        self._bytes_max = bytes_max
        self._head = b""
        self._ended = False
        self._hash = hashlib.sha256()

    def digest(self) -> str:
        """Return the SHA-256 of the body. It must have been read to its end."""
        return self._hash.hexdigest()

    async def sniff(self) -> Sniffed:
        """Return the format and dimensions after reading as little of the body as they need.

        Raises:
            UnsupportedFormat: The body is not a photo of a supported format.
            TooLarge: The declared length exceeds the limit.
            LengthMismatch: The body broke off.
        """
        if (self._declared.bytes_total or 0) > self._bytes_max:
            raise self._too_large()
        while True:
            found = sniff(self._head, complete=self._ended, head_bytes_max=HEAD_BYTES_MAX)
            match found:
                case Sniffed():
                    return found
                case NotAPhoto(reason):
                    raise UnsupportedFormat(
                        f"{reason}; supported formats: JPEG, PNG, GIF, WebP, AVIF, HEIC, TIFF"
                    )
                case NeedMore(at_least_bytes):
                    await self._read_head(at_least_bytes)

    async def _read_head(self, at_least_bytes: int) -> None:
        while len(self._head) < at_least_bytes and not self._ended:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                self._ended = True
            else:
                # The first chunk nearly always suffices, and is not copied.
                self._head = self._head + chunk if self._head else chunk

    async def body(self, *, stored_digest: str | None = None) -> AsyncIterator[bytes]:
        """Yield all bytes from the first on.

        The iterator raises instead of ending if the bytes do not match the declaration, or do not
        have the SHA-256 `stored_digest`. So no node publishes other bytes under the same name.

        Raises:
            TooLarge: The body exceeds the limit.
            LengthMismatch: The body does not have the declared length.
            DigestMismatch: The body does not have the declared digest.
            IdempotencyKeyReused: The body does not have the stored digest.
        """
        size = 0
        async for chunk in self._all_chunks():
            size += len(chunk)
            if size > self._bytes_max:
                raise self._too_large()
            self._hash.update(chunk)
            yield chunk
        if self._declared.bytes_total not in {None, size}:
            raise LengthMismatch(f"received {size} bytes, expected {self._declared.bytes_total}")
        digest = self.digest()
        if self._declared.sha256 not in {None, digest}:
            raise DigestMismatch(f"received SHA-256 {digest}, expected {self._declared.sha256}")
        if stored_digest not in {None, digest}:
            raise IdempotencyKeyReused(
                f"received SHA-256 {digest}, but {stored_digest} is stored under this key"
            )

    async def _all_chunks(self) -> AsyncIterator[bytes]:
        yield self._head
        if not self._ended:
            async for chunk in self._chunks:
                yield chunk

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the upload exceeds {self._bytes_max} bytes (limits.upload_bytes_max)")


def parse_digest_header(text: str) -> str:
    """Return the SHA-256 in a Repr-Digest header (RFC 9530), as lower-case hex.

    Raises:
        BadArgument: The header has no SHA-256.
    """
    match = _SHA256_FIELD.search(text)
    if match is None:
        raise BadArgument("Repr-Digest must have a SHA-256, as in sha-256=:<base64>:")
    return base64.b64decode(match[1]).hex()
