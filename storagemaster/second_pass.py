"""Whether a photo that has just become ready has slow variants still to be made, by its info."""

import json

from volumes.photo_path import EXTENSIONS, PhotoVersion, Variant
from volumes.sizes import ORIGINAL_LETTER


def second_pass_of(of: PhotoVersion, info: bytes) -> Variant | None:
    """The original to make them of, if the info document announces any."""
    try:
        document = json.loads(info)
        announced, ext = document.get("second_pass"), document["original"]["ext"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Variant(of, ORIGINAL_LETTER, ext) if announced and ext in EXTENSIONS else None
