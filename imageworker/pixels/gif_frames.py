"""Number of frames of a GIF, counted without decoding them, up to a limit."""

_EXTENSION = 0x21
_IMAGE = 0x2C
_HEADER_BYTES = 13
_IMAGE_DESCRIPTOR_BYTES = 10
_HAS_PALETTE = 0x80
_PALETTE_BITS = 0x07


def count_gif_frames(data: bytes, *, at_most: int) -> int:
    """Count the frames of a complete or truncated GIF, up to `at_most`."""
    if len(data) < _HEADER_BYTES:
        return 0
    at = _HEADER_BYTES + _palette_bytes(data[10])
    frames = 0
    while frames < at_most and at < len(data):
        if data[at] == _EXTENSION:
            at = _after_blocks(data, at + 2)
        elif data[at] == _IMAGE:
            frames += 1
            if at + _IMAGE_DESCRIPTOR_BYTES > len(data):
                break
            palette = _palette_bytes(data[at + _IMAGE_DESCRIPTOR_BYTES - 1])
            at = _after_blocks(data, at + _IMAGE_DESCRIPTOR_BYTES + palette + 1)
        else:
            break
    return frames


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & _PALETTE_BITS) + 1) if flags & _HAS_PALETTE else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Return the end of a chain of length-prefixed blocks."""
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1
