"""GIF files with any screen, frames, disposals, and loop count."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COLORS = ((220, 30, 30), (30, 180, 60), (40, 60, 210), (230, 210, 40))
NONE, LEAVE, CLEAR, RESTORE = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame of two colors, in stripes."""

    left: int = 0
    top: int = 0
    width: int = 20
    height: int = 16
    color: int = 0
    disposal: int = NONE
    transparent: int | None = None
    hundredths: int = 10


def write_gif(
    frames: Sequence[Frame], *, screen: tuple[int, int] = (20, 16), loop: int | None = None
) -> bytes:
    """Write the frames on a screen. `loop` is the number of repetitions, 0 without an end."""
    parts = [b"GIF89a", struct.pack("<HHBBB", *screen, 0x81, 0, 0), bytes(sum(COLORS, ()))]
    if loop is not None:
        parts.append(b"\x21\xff\x0bNETSCAPE2.0\3\1" + struct.pack("<HB", loop, 0))
    for frame in frames:
        flags = frame.disposal << 2 | (frame.transparent is not None)
        control = struct.pack("<BHBB", flags, frame.hundredths, frame.transparent or 0, 0)
        box = (frame.left, frame.top, frame.width, frame.height)
        parts += [b"\x21\xf9\4" + control, b"\x2c" + struct.pack("<HHHHB", *box, 0)]
        parts.append(_pixels(frame))
    return b"".join((*parts, b";"))


def _pixels(frame: Frame) -> bytes:
    """Return pixels in codes of three bits: a clear code before every other pixel."""
    rows, columns = np.mgrid[0 : frame.height, 0 : frame.width]
    pixels = np.where((rows + columns) % 3, frame.color, (frame.color + 1) % 4).flatten()
    codes = [
        4,
        *(code for at, pixel in enumerate(pixels) for code in ((pixel,), (pixel, 4))[at % 2]),
        5,
    ]
    bits = np.array(codes)[:, None] >> np.arange(3) & 1
    packed = np.packbits(bits.flatten().astype(np.uint8), bitorder="little").tobytes()
    blocks = [packed[at : at + 255] for at in range(0, len(packed), 255)]
    return b"\2" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
