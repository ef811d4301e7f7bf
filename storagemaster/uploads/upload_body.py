"""An upload's body as it comes in: its header sniffed, its length and digest held to their word."""

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

# Large colour profiles and depth maps come before a JPEG's dimensions; memory is all it costs.
HEAD_BYTES_MAX = 2 * 1024 * 1024

_SHA256_FIELD = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredBody:
    """What the client said of the body before sending it."""

    bytes_total: int | None = None
    sha256: str | None = None


class UploadBody:
    """A body of which the beginning has been read, and which can be read to its end once."""

    def __init__(
        self, chunks: AsyncIterator[bytes], announced: DeclaredBody, *, bytes_max: int
    ) -> None:
        self._chunks = chunks
        self._announced = announced
        self._bytes_max = bytes_max
        self._head = b""
        self._ended = False
        self._hash = hashlib.sha256()

    def digest(self) -> str:
        """The SHA-256 of the body, once it has been read to its end."""
        return self._hash.hexdigest()

    async def sniff(self) -> Sniffed:
        """What kind of photo it is, after reading as little of it as tells.

        Raises:
            UnsupportedFormat: It is none that is kept.
            TooLarge, LengthMismatch: As their names say.
        """
        if (self._announced.bytes_total or 0) > self._bytes_max:
            raise self._too_large()
        while True:
            found = sniff(self._head, complete=self._ended, head_bytes_max=HEAD_BYTES_MAX)
            match found:
                case Sniffed():
                    return found
                case NotAPhoto(reason):
                    raise UnsupportedFormat(
                        f"{reason}; JPEG, PNG, GIF, WebP, AVIF, HEIC and TIFF are kept"
                    )
                case NeedMore(at_least_bytes):
                    await self._read_head(at_least_bytes)

    async def _read_head(self, at_least_bytes: int) -> None:
        while len(self._head) < at_least_bytes and not self._ended:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                self._ended = True
            else:
                # The first piece, which is nearly always enough, is not copied.
                self._head = self._head + chunk if self._head else chunk

    async def body(self, *, kept_digest: str | None = None) -> AsyncIterator[bytes]:
        """All bytes from the first on; raises instead of ending if they are not as announced.

        With a `kept_digest` they must have that SHA-256: no node may publish others beside it.
        """
        size = 0
        async for chunk in self._all_pieces():
            size += len(chunk)
            if size > self._bytes_max:
                raise self._too_large()
            self._hash.update(chunk)
            yield chunk
        if self._announced.bytes_total not in {None, size}:
            raise LengthMismatch(f"{self._announced.bytes_total} bytes were announced, {size} came")
        digest = self.digest()
        if self._announced.sha256 not in {None, digest}:
            raise DigestMismatch(f"SHA-256 {self._announced.sha256} was announced, {digest} came")
        if kept_digest not in {None, digest}:
            raise IdempotencyKeyReused(
                f"SHA-256 {kept_digest} is kept under this key, {digest} came"
            )

    async def _all_pieces(self) -> AsyncIterator[bytes]:
        yield self._head
        if not self._ended:
            async for chunk in self._chunks:
                yield chunk

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the limit is {self._bytes_max} bytes (limits.upload_bytes_max)")


def parse_digest_header(text: str) -> str:
    """The SHA-256 of a Repr-Digest header (RFC 9530), as lower-case hex.

    Raises:
        BadArgument: It has none.
    """
    match = _SHA256_FIELD.search(text)
    if match is None:
        raise BadArgument("Repr-Digest must have a SHA-256, as in sha-256=:<base64>:")
    return base64.b64decode(match[1]).hex()
