"""The format and the dimensions of an upload, read as its bytes arrive, without decoding.

Whether the pixels behind the header are sound is the image worker's question, which reads formats
and dimensions with the same readers.

`Sniffed` has the dimensions as displayed. A rotation that the container itself prescribes (AVIF
and HEIC) always applies; an EXIF orientation applies in every other format.
"""

from collections.abc import Callable
from dataclasses import dataclass

from storagemaster.image_header.exif import ON_THEIR_SIDE, UPRIGHT
from storagemaster.image_header.head import Known, Reading, Span, UnusableHeader
from storagemaster.image_header.isobmff import is_isobmff, read_isobmff
from storagemaster.image_header.raster import read_gif, read_jpeg, read_png, read_webp
from storagemaster.image_header.refused import refusal_reason
from storagemaster.image_header.tiff import read_tiff

SPAN_BYTES_MAX = 2 * 1024 * 1024
"""The most bytes that a header is read from in one piece, and so the memory that it takes."""

# A file of 200 MB has some 25,000 PNG chunks; this many take half a second.
_SPANS_MAX = 200_000
# Enough for every format to be known by.
_MAGIC_BYTES = 12
# A text format may open with a long comment or declaration before the word that gives it away.
_REFUSAL_BYTES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Sniffed:
    """A photo of an accepted format. Width and height are in pixels and above zero.

    They are the displayed ones: EXIF orientation is applied.
    """

    ext: str
    width: int
    height: int
    is_on_its_side: bool = False
    """True if the stored width is the displayed height."""

    @property
    def stored_dimensions(self) -> tuple[int, int]:
        """Width and height of the stored pixels."""
        return (self.height, self.width) if self.is_on_its_side else (self.width, self.height)


@dataclass(frozen=True, slots=True)
class NotAPhoto:
    """A refused upload; the reason is a clause for a person, without a capital or a period."""

    reason: str


class HeaderReader:
    """Reads the header of one upload, which it is fed in chunks of any size.

    It holds at most `SPAN_BYTES_MAX` and one chunk, however far apart the parts of the header are,
    takes a bounded number of steps, and never raises. The result does not depend on the chunks.
    """

    def __init__(self) -> None:
        self.result: Sniffed | NotAPhoto | None = None
        """The photo or the refusal, as soon as it is final; None before."""
        self._known: Known | None = None
        self._reading: Reading[int] | None = None
        self._wanted = Span(0, _MAGIC_BYTES)
        self._window = b""
        self._window_start = 0
        self._spans_left = _SPANS_MAX

    @property
    def ext(self) -> str | None:
        """The format's ext in photo paths, once it is known."""
        return None if self._known is None else self._known.ext

    @property
    def stored(self) -> Sniffed | None:
        """The photo with its dimensions as stored, once they are known."""
        known = self._known
        if known is None or not known.width or not known.height:
            return None
        return Sniffed(ext=known.ext, width=known.width, height=known.height)

    @property
    def wanted_end(self) -> int:
        """The number of bytes from the start that the reader needs before it can continue."""
        return self._wanted.end

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes of the upload."""
        if self.result is not None:
            return
        self._window = self._window + chunk if self._window else chunk
        while self.result is None and self._wanted.end <= self._window_start + len(self._window):
            start = self._wanted.offset - self._window_start
            self._step(self._window[start : start + self._wanted.count])
        # Spans only go forward, so the bytes before the next one are not needed any more.
        passed = len(self._window)
        if self.result is None:
            passed = min(self._wanted.offset - self._window_start, passed)
        self._window = self._window[passed:]
        self._window_start += passed

    def finish(self) -> Sniffed | NotAPhoto:
        """Return what the upload is; it has no more bytes."""
        if self.result is None and self._reading is None:
            self._wanted = Span(0, len(self._window))
            self._begin(self._window, complete=True)
            self.feed(b"")
        if self.result is None:
            self._end_with(UPRIGHT, otherwise="the file ends inside its header")
        assert self.result is not None, "the header reader has ended"
        return self.result

    def _step(self, data: bytes) -> None:
        """Give the reader the bytes it wanted, and take what it wants next."""
        if self._reading is None:
            self._begin(data, complete=False)
            return
        try:
            found = self._reading.send(data)
            while isinstance(found, Known):
                self._known = found
                if found.width is not None and self.stored is None:
                    self._end_with(UPRIGHT, otherwise=_no_picture(found))
                    return
                found = self._reading.send(b"")
            self._want(found)
        except UnusableHeader as unusable:
            self._end_with(UPRIGHT, otherwise=unusable.reason)
        except StopIteration as ended:
            self._end_with(int(ended.value), otherwise="")

    def _begin(self, head: bytes, *, complete: bool) -> None:
        """Choose the reader by the first bytes."""
        reader = _reader_of(head)
        if reader is not None:
            ext, read = reader
            self._known = None if ext is None else Known(ext)
            self._reading = read()
            first = next(self._reading)
            assert isinstance(first, Span), "a reader knows nothing before it has read"
            self._want(first)
        elif complete or len(head) >= _REFUSAL_BYTES:
            self.result = NotAPhoto(refusal_reason(head[:_REFUSAL_BYTES]))
        else:
            self._wanted = Span(0, _REFUSAL_BYTES)

    def _want(self, span: Span) -> None:
        assert span.offset >= self._window_start, "spans only go forward"
        self._wanted = span
        self._spans_left -= 1
        if span.count > SPAN_BYTES_MAX:
            reason = f"the {self.ext or 'file'}'s header is over {SPAN_BYTES_MAX:,} bytes"
            self._end_with(UPRIGHT, otherwise=f"{reason}; save the photo with less metadata")
        elif self._spans_left == 0:
            self._end_with(UPRIGHT, otherwise="the file's header is in too many pieces")

    def _end_with(self, orientation: int, *, otherwise: str) -> None:
        """Take the dimensions as they are displayed, or else refuse the upload."""
        stored = self.stored
        if stored is None:
            self.result = NotAPhoto(otherwise)
        elif orientation in ON_THEIR_SIDE:
            self.result = Sniffed(
                ext=stored.ext, width=stored.height, height=stored.width, is_on_its_side=True
            )
        else:
            self.result = stored


def sniff(data: bytes) -> Sniffed | NotAPhoto:
    """Return what the whole of a file is."""
    reader = HeaderReader()
    reader.feed(data)
    return reader.finish()


def _no_picture(known: Known) -> str:
    return (
        f"the {known.ext} header says {known.width} x {known.height} pixels, which is not a picture"
    )


def _reader_of(head: bytes) -> tuple[str | None, Callable[[], Reading[int]]] | None:
    for ext, prefix, read in _BY_PREFIX:
        if head.startswith(prefix):
            return ext, read
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp", read_webp
    return (None, read_isobmff) if is_isobmff(head) else None


_BY_PREFIX: tuple[tuple[str, bytes, Callable[[], Reading[int]]], ...] = (
    ("jpg", b"\xff\xd8\xff", read_jpeg),
    ("png", b"\x89PNG\r\n\x1a\n", read_png),
    ("gif", b"GIF87a", read_gif),
    ("gif", b"GIF89a", read_gif),
    ("tif", b"II*\0", read_tiff),
    ("tif", b"MM\0*", read_tiff),
)
