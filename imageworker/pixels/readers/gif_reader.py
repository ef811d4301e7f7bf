"""GIF as browsers show it: frames drawn onto a canvas that is transparent where none has drawn.

Pillow decodes each frame by itself. It draws them on a canvas of its own color, which it enlarges
for a frame that reaches beyond the screen.
"""

import io
import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import GifImagePlugin, Image, ImageFile

_EXTENSION = 0x21
_CONTROL = 0xF9
_IMAGE = 0x2C
_HEADER_BYTES = 13
_DESCRIPTOR_BYTES = 10
_HAS_PALETTE = 0x80
_PALETTE_BITS = 0x07
_LOOP = b"\x21\xff\x0bNETSCAPE2.0\x03\x01"
_LOOP_OF_ANOTHER_NAME = b"\x21\xff\x0bANIMEXTS1.0\x03\x01"
_CLEAR, _RESTORE = 2, 3
_OPAQUE = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class GifFrame:
    """A frame: its extent on the screen, what its control extension says, where its bytes are."""

    left: int
    top: int
    width: int
    height: int
    start: int
    end: int
    disposal: int = 0
    milliseconds: int = 0
    transparent: int | None = None

    @property
    def pixels(self) -> int:
        """The number of pixels."""
        return self.width * self.height


class GifReader(ImageFile.ImageFile):
    """A GIF. Its size is that of the screen, enlarged to the first frame as browsers do.

    Frames are drawn in order. One that is outside of the canvas, or has over `pixels_max`, only
    takes its time.
    """

    format = "GIF"

    def __init__(self, original: bytes, *, pixels_max: int, frames_max: int) -> None:
        self._original = original
        self._pixels_max = pixels_max
        self._frames = list(itertools.islice(gif_frames(original), frames_max + 1))
        self._at = 0
        self._drawn = -1
        self._canvas: Image.Image | None = None
        self._before: Image.Image | None = None
        super().__init__(io.BytesIO(original))

    def _open(self) -> None:
        if not self._frames:
            raise SyntaxError("the GIF has no frame")
        self._size = _canvas_of(self._original, self._frames[0])
        self._mode = "RGBA"
        self.n_frames = len(self._frames)
        self.info["loop"] = _loops_of(self._original)
        self.info["duration"] = self._frames[0].milliseconds

    def seek(self, frame: int) -> None:
        """Select a later frame.

        Raises:
            EOFError: The GIF has fewer frames.
        """
        if frame >= len(self._frames):
            raise EOFError("no more frames")
        assert frame >= self._at, "frames are drawn in order"
        self._at = frame
        self.info["duration"] = self._frames[frame].milliseconds

    def tell(self) -> int:
        """Return the number of the selected frame."""
        return self._at

    def load(self) -> Any:
        """Draw the frames up to the selected one."""
        while self._drawn < self._at:
            self._draw_next()
            assert self._canvas is not None, "a frame was drawn"
            lowest, _ = self._canvas.getchannel("A").getextrema()
            shown = self._canvas.convert("RGB") if lowest == _OPAQUE else self._canvas.copy()
            self.im = shown.im
            self._mode = shown.mode
        return Image.Image.load(self)

    def _draw_next(self) -> None:
        if self._canvas is None:
            self._canvas = Image.new("RGBA", self._size, (0, 0, 0, 0))
        else:
            self._dispose(self._frames[self._drawn])
        self._drawn += 1
        frame = self._frames[self._drawn]
        self._before = self._canvas.copy() if frame.disposal == _RESTORE else None
        is_seen = frame.left < self.width and frame.top < self.height and frame.pixels
        if self._drawn == 0 or (is_seen and frame.pixels <= self._pixels_max):
            drawn = self._decode(frame)
            self._canvas.paste(drawn, (frame.left, frame.top), drawn)

    def _dispose(self, frame: GifFrame) -> None:
        assert self._canvas is not None, "a frame was drawn"
        if frame.disposal == _CLEAR:
            right, bottom = frame.left + frame.width, frame.top + frame.height
            self._canvas.paste((0, 0, 0, 0), (frame.left, frame.top, right, bottom))
        elif self._before is not None:
            self._canvas = self._before

    def _decode(self, frame: GifFrame) -> Image.Image:
        """Return a frame's pixels, from a GIF that has only this frame."""
        palette = _palette_bytes(self._original[10])
        has_transparency = frame.transparent is not None
        alone = b"".join(
            (
                b"GIF89a",
                struct.pack("<HH", frame.width, frame.height),
                self._original[10 : _HEADER_BYTES + palette],
                bytes([_EXTENSION, _CONTROL, 4, has_transparency, 0, 0, frame.transparent or 0, 0]),
                bytes([_IMAGE, 0, 0, 0, 0]),
                memoryview(self._original)[frame.start + 5 : frame.end],
            )
        )
        with GifImagePlugin.GifImageFile(io.BytesIO(alone)) as image:
            image.load()
            return image.convert("RGBA")


def gif_frames(data: bytes) -> Iterator[GifFrame]:
    """Yield the frames up to where the bytes end, without decoding any."""
    if len(data) < _HEADER_BYTES:
        return
    at = _HEADER_BYTES + _palette_bytes(data[10])
    control = b""
    while at < len(data):
        if data[at] == _EXTENSION:
            if data[at + 1 : at + 2] == bytes([_CONTROL]) and len(data) >= at + 8:
                control = data[at + 3 : at + 7]
            at = _after_blocks(data, at + 2)
        elif data[at] == _IMAGE and at + _DESCRIPTOR_BYTES <= len(data):
            left, top, width, height, flags = struct.unpack_from("<HHHHB", data, at + 1)
            start = at
            at = _after_blocks(data, at + _DESCRIPTOR_BYTES + _palette_bytes(flags) + 1)
            box = {"left": left, "top": top, "width": width, "height": height}
            yield GifFrame(**box, start=start, end=at, **_parse_control(control))
            control = b""
        else:
            break


def _parse_control(control: bytes) -> dict[str, int]:
    if not control:
        return {}
    flags, hundredths, transparent = struct.unpack("<BHB", control)
    parsed = {"disposal": flags >> 2 & 7, "milliseconds": 10 * hundredths}
    return parsed | {"transparent": transparent} if flags & 1 else parsed


def _canvas_of(data: bytes, first: GifFrame) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, 6)
    if not width or not height:
        width = height = 0
    return max(width, first.left + first.width), max(height, first.top + first.height)


def _loops_of(data: bytes) -> int:
    """Return how often the animation plays, 0 for endlessly. A GIF counts the repetitions."""
    for extension in (_LOOP, _LOOP_OF_ANOTHER_NAME):
        at = data.find(extension)
        if at >= 0:
            repetitions = int.from_bytes(
                data[at + len(extension) : at + len(extension) + 2], "little"
            )
            return repetitions + 1 if repetitions else 0
    return 1


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & _PALETTE_BITS) + 1) if flags & _HAS_PALETTE else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Return where a chain of blocks, each with its length before it, has ended."""
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1
