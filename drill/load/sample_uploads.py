"""Photos for a drill: small, real, and each with bytes that no other has."""

import io
import random

from PIL import Image

_START = b"\xff\xd8"
_COMMENT = b"\xff\xfe"


def make_originals(seed: int) -> tuple[bytes, ...]:
    """A few JPEGs of different dimensions, the same for a seed."""
    rng = random.Random(seed)  # noqa: S311  # pictures, and the same ones for a seed
    found = []
    for width, height in ((320, 240), (480, 640), (1100, 800)):
        noise = rng.randbytes((width // 20) * (height // 20) * 3)
        picture = Image.frombytes("RGB", (width // 20, height // 20), noise)
        out = io.BytesIO()
        picture.resize((width, height), Image.Resampling.BICUBIC).save(out, "JPEG", quality=80)
        found.append(out.getvalue())
    return tuple(found)


def make_unique(original: bytes, words: str) -> bytes:
    """The same picture as bytes that nothing else has: the words stand in them as a comment."""
    comment = words.encode()
    segment = _COMMENT + (len(comment) + 2).to_bytes(2, "big") + comment
    return _START + segment + original.removeprefix(_START)


def make_undecodable(original: bytes, words: str) -> bytes:
    """A photo that looks good until somebody decodes it: its tables for that are nonsense."""
    whole = make_unique(original, words)
    at = whole.index(b"\xff\xc4")
    length = int.from_bytes(whole[at + 2 : at + 4], "big")
    return whole[: at + 4] + b"\xff" * (length - 2) + whole[at + 2 + length :]
