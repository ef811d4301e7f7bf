"""Photos to upload: small real ones, and ones of any length."""

import io
import random

from PIL import Image


def picture(
    *, number: int = 0, file_format: str = "JPEG", width: int = 64, height: int = 48
) -> bytes:
    """A small photo; another number is another picture."""
    shade = random.Random(number)
    color = (shade.randrange(256), shade.randrange(256), shade.randrange(256))
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), color).save(buffer, file_format)
    return buffer.getvalue() + number.to_bytes(4, "big")


def long_picture(bytes_total: int, *, number: int = 0) -> bytes:
    """A photo of exactly so many bytes: what follows the pixels is noise."""
    head = picture(number=number)
    return head + random.Random(number).randbytes(bytes_total - len(head))
