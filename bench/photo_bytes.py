"""Photos for the write path: a valid JPEG header, then unique bytes."""

import random

EDGE_PIXELS = (4000, 3000)

_START = b"\xff\xd8"
_END = b"\xff\xd9"


def render_photo(number: int, size_bytes: int) -> bytes:
    """Render a file of `size_bytes` with a JPEG header; its image data is noise.

    The same number and size always give the same bytes; different numbers give different bytes.
    """
    head = _START + _segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0") + _frame_header()
    scan = _segment(0xDA, b"\x03\x01\0\x02\x11\x03\x11\0\x3f\0")
    noise_bytes = size_bytes - len(head) - len(scan) - len(_END)
    if noise_bytes < 0:
        raise ValueError(f"size_bytes: {size_bytes} is too small for a JPEG")
    noise = random.Random(number).randbytes(noise_bytes).replace(b"\xff", b"\xfe")
    return head + scan + noise + _END


def _frame_header() -> bytes:
    width, height = EDGE_PIXELS
    components = b"\x01\x22\0\x02\x11\x01\x03\x11\x01"
    dimensions = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return _segment(0xC0, b"\x08" + dimensions + b"\x03" + components)


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload
