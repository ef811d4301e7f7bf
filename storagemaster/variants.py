"""Every path that a version of a photo can have: a pure function, so a purge is a fixed list."""

from volumes.photo_path import EXTENSIONS, PhotoVersion, Variant, render_path
from volumes.sizes import ORIGINAL_LETTER, Size

SIZE_EXTENSIONS = ("jpg", "webp", "avif")


def all_variants(of: PhotoVersion, sizes: tuple[Size, ...]) -> tuple[str, ...]:
    """The photo paths of all sizes in all formats, and of the original in any."""
    made = [Variant(of, size.letter, ext) for size in sizes for ext in SIZE_EXTENSIONS]
    originals = [Variant(of, ORIGINAL_LETTER, ext) for ext in EXTENSIONS]
    return tuple(render_path(variant) for variant in (*made, *originals))
