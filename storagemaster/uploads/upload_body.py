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
    TooManyPixels,
    UnsupportedFormat,
)
from storagemaster.image_header.sniff import HeaderReader, NotAPhoto, Sniffed
from storagenode.protocol.wire import SHARING_BYTES_MAX

# Up to here an upload is held until its dimensions are known. Those further back are checked while
# the upload is on its way to the nodes, which publish nothing if they are refused.
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
        self,
        chunks: AsyncIterator[bytes],
        declared: DeclaredBody,
        *,
        bytes_max: int,
        formats: tuple[str, ...] | None = None,
        whole_bytes_max: int = SHARING_BYTES_MAX,
    ) -> None:
        """`whole_bytes_max` is the longest declared body that is held in memory."""
        self._whole_bytes_max = whole_bytes_max
        self._chunks = chunks
        self._declared = declared
        self._bytes_max = bytes_max
        self._formats = formats
        self._pixels_max: int | None = None
        self._ext = ""
        self._head = b""
        self._ended = False
        self._header = HeaderReader()
        self._hash = hashlib.sha256()

    @property
    def is_whole(self) -> bool:
        """True if the body is so short that each node gets it in one request."""
        declared = self._declared.bytes_total
        return declared is not None and declared <= self._whole_bytes_max

    def digest(self) -> str:
        """Return the SHA-256 of the body, once it has been read to its end."""
        return self._hash.hexdigest()

    @property
    def photo(self) -> Sniffed:
        """The photo's format and dimensions as displayed, once the body has been read."""
        found = self._header.finish()
        assert isinstance(found, Sniffed), "the body has ended, so its header was accepted"
        return found

    async def sniff(self, *, pixels_max: int | None = None) -> str:
        """Return the format, after reading as little of the body as tells it.

        The dimensions are checked here too, unless they are behind `HEAD_BYTES_MAX`: `body` then
        checks them, and raises the same errors before it ends.

        Raises:
            UnsupportedFormat: The body is not a photo of an accepted format.
            TooManyPixels: The photo has over `pixels_max` pixels.
            TooLarge: The declared length is over `bytes_max`.
        """
        self._pixels_max = pixels_max
        if (self._declared.bytes_total or 0) > self._bytes_max:
            raise self._too_large()
        header = self._header
        while not (self._ended or header.result or header.stored):
            if header.wanted_end > HEAD_BYTES_MAX:
                break
            chunk = await anext(self._chunks, None)
            if chunk is None:
                self._ended = True
            else:
                # The first chunk, which is nearly always enough, is not copied.
                self._head = self._head + chunk if self._head else chunk
                header.feed(chunk)
        self._check_header(ended=self._ended)
        # Only a HEIF whose brands name no codec is still without one.
        self._ext = header.ext or "heic"
        return self._ext

    def _check_header(self, *, ended: bool) -> None:
        found = self._header.finish() if ended else self._header.result or self._header.stored
        if found is not None:
            found = accepted(found, pixels_max=self._pixels_max, formats=self._formats)
        if found is not None and found.ext != (self._ext or found.ext):
            raise UnsupportedFormat(
                f"the file is {found.ext}, which its list of brands does not say; convert it"
            )

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
            if size > len(self._head):
                self._header.feed(chunk)
            yield chunk
        if self._declared.bytes_total not in {None, size}:
            raise LengthMismatch(f"received {size} bytes, expected {self._declared.bytes_total}")
        self._check_header(ended=True)
        digest = self.digest()
        if self._declared.sha256 not in {None, digest}:
            raise DigestMismatch(f"received SHA-256 {digest}, expected {self._declared.sha256}")
        if stored_digest not in {None, digest}:
            raise IdempotencyKeyReused

    async def _all_chunks(self) -> AsyncIterator[bytes]:
        yield self._head
        if not self._ended:
            async for chunk in self._chunks:
                yield chunk

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"the upload exceeds {self._bytes_max} bytes (limits.upload_bytes_max, "
            "or the limit of the application or the ticket)"
        )


def accepted(
    found: Sniffed | NotAPhoto, *, pixels_max: int | None, formats: tuple[str, ...] | None = None
) -> Sniffed:
    """Return what a header says of a photo that is accepted.

    Raises:
        UnsupportedFormat: The bytes are not a photo of an accepted format, or of `formats`.
        TooManyPixels: The photo has over `pixels_max` pixels.
    """
    if isinstance(found, NotAPhoto):
        raise UnsupportedFormat(
            f"{found.reason}; supported formats: JPEG, PNG, GIF, WebP, AVIF, HEIC, TIFF"
        )
    if formats is not None and found.ext not in formats:
        accepted_here = ", ".join(formats) or "no format"
        raise UnsupportedFormat(
            f"the application or the ticket accepts {accepted_here}, not {found.ext}"
        )
    pixels = found.width * found.height
    if pixels_max is not None and pixels > pixels_max:
        raise TooManyPixels(
            f"the photo has {found.width} x {found.height} = {pixels} pixels: at most "
            f"{pixels_max} are allowed (limits.pixels_max)"
        )
    return found


def parse_digest_header(text: str) -> str:
    """Return the SHA-256 in a Repr-Digest header (RFC 9530), as lower-case hex.

    Raises:
        BadArgument: The header has no SHA-256.
    """
    match = _SHA256_FIELD.search(text)
    if match is None:
        raise BadArgument("Repr-Digest must have a SHA-256, as in sha-256=:<base64>:")
    return base64.b64decode(match[1]).hex()


def render_digest_header(sha256: str) -> str:
    """Return the value of a Repr-Digest header for a SHA-256 in hex."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
