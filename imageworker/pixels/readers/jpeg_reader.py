"""JPEG: its scans counted before any is decoded, and its end supplied where it is missing.

A file without an end marker is shown by browsers if all of its rows are there. libjpeg wants some
bytes behind the last row before it gives it out, and fills what is missing with gray. So such a
file is decoded with two different continuations: where they differ, the photo ends.
"""

import io
import itertools
import re
from collections.abc import Iterable, Iterator

from PIL import ImageChops, JpegImagePlugin

from imageworker.processing_errors import PhotoTooLarge, TruncatedPhoto

SCANS_MAX = 500
"""The most scans that are decoded, as libjpeg-turbo advises: each one visits all pixels."""

_COEFFICIENTS = 64
# More bits than any scan leaves to later ones.
_NOT_SENT = 16
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})
# In pixels 0xFF is followed by zero, and restart markers stand between them.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_END = b"\xff\xd9"
# Behind each restart marker too: a decoder that looks for one passes over everything before it.
_CONTINUATIONS = tuple(
    b"".join((data, *(bytes([0xFF, 0xD0 + at]) + data for at in range(8)), data, _END))
    for data in (bytes(range(1, 250)), bytes(range(249, 0, -1)))
)


class JpegReader(JpegImagePlugin.JpegImageFile):
    """A JPEG, or the first picture of a file with several."""

    def __init__(self, original: bytes, continuation: int = 0) -> None:
        self._original = original
        self._continuation = continuation
        self._is_continued = False
        require_few_scans(original)
        super().__init__(io.BytesIO(original))

    def load_read(self, read_bytes: int) -> bytes:
        """Read the next bytes and, once behind the end of the file, its continuation."""
        assert self.fp is not None, "it is read before it is closed"
        data = self.fp.read(read_bytes)
        if not data and not self._is_continued:
            self._is_continued = True
            # A last 0xFF is taken for a byte of the pixels, whatever it was the first half of.
            half = b"\0" if self._original.endswith(b"\xff") else b""
            return half + _CONTINUATIONS[self._continuation]
        return data

    def load_end(self) -> None:
        """Refuse the photo if the end of its file was not the end of its pixels.

        Raises:
            TruncatedPhoto: Rows are missing.
        """
        super().load_end()
        if not self._is_continued or self._continuation:
            return
        is_progressive = "progressive" in self.info
        components = [layer[0] for layer in self.layer]
        if is_progressive and not _has_all_scans(self._original, components):
            raise TruncatedPhoto("the file ends before the last of its scans; send the whole file")
        with JpegReader(self._original, continuation=1) as other:
            if self.decoderconfig:
                scale = self.decoderconfig[0]
                other.draft(None, tuple(max(1, edge // scale) for edge in other.size))
            other.load()
            difference = ImageChops.difference(self, other)
        box = difference.getbbox(alpha_only=False)
        if box is not None:
            share = 100 * box[1] // self.height
            raise TruncatedPhoto(
                f"the file ends after about {share} % of its rows; send the whole file"
            )


def require_few_scans(original: bytes) -> None:
    """Refuse a JPEG that would keep a decoder busy for minutes.

    Raises:
        PhotoTooLarge: It has over `SCANS_MAX` scans.
    """
    if original.count(b"\xff\xda") > SCANS_MAX and _count_scans(original) > SCANS_MAX:
        raise PhotoTooLarge(f"a JPEG of more than {SCANS_MAX} scans")


def _count_scans(original: bytes) -> int:
    """Return the number of scans, counted no further than one over the most."""
    return sum(1 for _ in itertools.islice(_scan_headers(original), SCANS_MAX + 1))


def _has_all_scans(original: bytes, components: Iterable[int]) -> bool:
    """Return True if the scans refine every coefficient of every component to its last bit."""
    bits_left = {component: [_NOT_SENT] * _COEFFICIENTS for component in components}
    for header in _scan_headers(original):
        count = header[0] if header else 0
        if len(header) < 4 + 2 * count:
            return False
        first, last, approximation = header[1 + 2 * count : 4 + 2 * count]
        for component in header[1 : 1 + 2 * count : 2]:
            for at in range(first, min(last, _COEFFICIENTS - 1) + 1):
                bits_left.setdefault(component, [0] * _COEFFICIENTS)[at] = approximation & 0x0F
    return not any(map(any, bits_left.values()))


def _scan_headers(original: bytes) -> Iterator[bytes]:
    """Yield the header of each scan of the first picture. Previews in metadata do not count."""
    at = 2
    while match := _MARKER.search(original, at):
        marker, at = original[match.end() - 1], match.end()
        if marker == _END_OF_IMAGE:
            return
        if marker not in _WITHOUT_LENGTH:
            length = max(2, int.from_bytes(original[at : at + 2], "big"))
            if marker == _START_OF_SCAN:
                yield original[at + 2 : at + length]
            at += length
