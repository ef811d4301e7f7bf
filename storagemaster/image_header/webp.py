"""Dimensions from the first chunk of a WebP: lossy, lossless or extended."""

from storagemaster.image_header.head import Head, UnusableHeader

_CHUNK = 12
_PAYLOAD = 20
_LOSSLESS_SIGNATURE = 0x2F
_LOSSY_START_CODE = b"\x9d\x01\x2a"
_EDGE_BITS = 14
_EDGE_MASK = (1 << _EDGE_BITS) - 1


def webp_dimensions(head: Head) -> tuple[int, int]:
    """Width and height of the canvas."""
    match head.take(_CHUNK, 4):
        case b"VP8 ":
            return _lossy(head)
        case b"VP8L":
            return _lossless(head)
        case b"VP8X":
            return head.little(_PAYLOAD + 4, 3) + 1, head.little(_PAYLOAD + 7, 3) + 1
        case _:
            raise UnusableHeader("the WebP does not begin with a chunk of an image")


def _lossy(head: Head) -> tuple[int, int]:
    if head.take(_PAYLOAD + 3, 3) != _LOSSY_START_CODE:
        raise UnusableHeader("the WebP's first frame is not a key frame")
    # The two bits above each edge are a hint for scaling on a screen, and no part of the size.
    return head.little(_PAYLOAD + 6, 2) & _EDGE_MASK, head.little(_PAYLOAD + 8, 2) & _EDGE_MASK


def _lossless(head: Head) -> tuple[int, int]:
    if head.big(_PAYLOAD, 1) != _LOSSLESS_SIGNATURE:
        raise UnusableHeader("the WebP's lossless chunk lacks its signature")
    bits = head.little(_PAYLOAD + 1, 4)
    return (bits & _EDGE_MASK) + 1, (bits >> _EDGE_BITS & _EDGE_MASK) + 1
