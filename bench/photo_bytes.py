"""Photos for the write path: a sound JPEG header, then bytes that no other photo has."""

import random

EDGE_PIXELS = (4000, 3000)

_START = b"\xff\xd8"
_END = b"\xff\xd9"


def render_photo(number: int, size_bytes: int) -> bytes:
    """A file of so many bytes that is a JPEG by its header; its pixels are noise of a seed.

    The same number and size always give the same bytes, and other numbers others.
    """
    head = _START + _segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0") + _frame_header()
    scan = _segment(0xDA, b"\x03\x01\0\x02\x11\x03\x11\0\x3f\0")
    room = size_bytes - len(head) - len(scan) - len(_END)
    if room < 0:
        raise ValueError(f"a JPEG cannot be as small as {size_bytes} bytes")
    noise = random.Random(number).randbytes(room).replace(b"\xff", b"\xfe")
    return head + scan + noise + _END


def _frame_header() -> bytes:
    width, height = EDGE_PIXELS
    components = b"\x01\x22\0\x02\x11\x01\x03\x11\x01"
    dimensions = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return _segment(0xC0, b"\x08" + dimensions + b"\x03" + components)


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload
