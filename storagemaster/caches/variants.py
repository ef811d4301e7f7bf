"""The variants that a version can have, and the variants that its info lists."""

from volumes.json_text import parse_json
from volumes.photo_path import EXTENSIONS, PhotoVersion, Variant, render_path
from volumes.sizes import ORIGINAL_LETTER, Size

SIZE_EXTENSIONS = ("jpg", "webp", "avif")


def all_variants(photo_version: PhotoVersion, sizes: tuple[Size, ...]) -> tuple[str, ...]:
    """Return the photo paths to purge: all sizes in all formats, and the original in any format."""
    made = [Variant(photo_version, size.letter, ext) for size in sizes for ext in SIZE_EXTENSIONS]
    originals = [Variant(photo_version, ORIGINAL_LETTER, ext) for ext in EXTENSIONS]
    return tuple(render_path(variant) for variant in (*made, *originals))


def listed_variants(photo_version: PhotoVersion, info: bytes) -> frozenset[Variant]:
    """Return the variants that an info document lists, which excludes the second pass.

    Raises:
        ValueError: The bytes are not an info document.
    """
    try:
        variants = parse_json(info)["variants"]
        return frozenset(Variant(photo_version, each["size"], each["ext"]) for each in variants)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an info document: {error!r}") from error
