"""Which variants a version of a photo can have, and which its info tells of: pure functions."""

import json

from volumes.photo_path import EXTENSIONS, PhotoVersion, Variant, render_path
from volumes.sizes import ORIGINAL_LETTER, Size

SIZE_EXTENSIONS = ("jpg", "webp", "avif")


def all_variants(photo_version: PhotoVersion, sizes: tuple[Size, ...]) -> tuple[str, ...]:
    """The photo paths of all sizes in all formats, and of the original in any: what to purge."""
    made = [Variant(photo_version, size.letter, ext) for size in sizes for ext in SIZE_EXTENSIONS]
    originals = [Variant(photo_version, ORIGINAL_LETTER, ext) for ext in EXTENSIONS]
    return tuple(render_path(variant) for variant in (*made, *originals))


def listed_variants(photo_version: PhotoVersion, info: bytes) -> frozenset[Variant]:
    """The variants that the info document of a version tells of, but for those that come later.

    Raises:
        ValueError: It is no info document.
    """
    try:
        told = json.loads(info)["variants"]
        return frozenset(Variant(photo_version, each["size"], each["ext"]) for each in told)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an info document: {error!r}") from error
