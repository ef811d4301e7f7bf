"""Photos for a drill: small real JPEGs, each with unique bytes."""

import io
import random

from PIL import Image

_START = b"\xff\xd8"
_COMMENT = b"\xff\xfe"


def make_originals(seed: int) -> tuple[bytes, ...]:
    """Return a few JPEGs of different dimensions, the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311  # reproducible pictures
    found = []
    for width, height in ((320, 240), (480, 640), (1100, 800)):
        noise = rng.randbytes((width // 20) * (height // 20) * 3)
        picture = Image.frombytes("RGB", (width // 20, height // 20), noise)
        out = io.BytesIO()
        picture.resize((width, height), Image.Resampling.BICUBIC).save(out, "JPEG", quality=80)
        found.append(out.getvalue())
    return tuple(found)


def make_unique(original: bytes, words: str) -> bytes:
    """Return the JPEG with a comment that makes its bytes unique."""
    comment = words.encode()
    segment = _COMMENT + (len(comment) + 2).to_bytes(2, "big") + comment
    return _START + segment + original.removeprefix(_START)


def make_large(original: bytes, words: str, *, size_bytes: int) -> bytes:
    """Return the JPEG with zeros after its end, which decoders ignore, up to this size."""
    return make_unique(original, words).ljust(size_bytes, b"\0")


def make_undecodable(original: bytes, words: str) -> bytes:
    """Return a JPEG with a valid header and invalid Huffman tables, which no decoder accepts."""
    whole = make_unique(original, words)
    at = whole.index(b"\xff\xc4")
    length = int.from_bytes(whole[at + 2 : at + 4], "big")
    return whole[: at + 4] + b"\xff" * (length - 2) + whole[at + 2 + length :]
