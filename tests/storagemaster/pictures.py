"""Photos to upload: small real ones, and ones of any length."""

import io
import random

from PIL import Image


def picture(
    *, number: int = 0, file_format: str = "JPEG", width: int = 64, height: int = 48
) -> bytes:
    """Return a small photo; each number gives another one."""
    shade = random.Random(number)
    color = (shade.randrange(256), shade.randrange(256), shade.randrange(256))
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), color).save(buffer, file_format)
    return buffer.getvalue() + number.to_bytes(4, "big")


def long_picture(bytes_total: int, *, number: int = 0) -> bytes:
    """Return a photo of exactly this length, with noise after its pixels."""
    head = picture(number=number)
    return head + random.Random(number).randbytes(bytes_total - len(head))
