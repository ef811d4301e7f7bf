"""Files that a photo may have lost, or may still get, decided by its shape.

A shape is the sizes and formats of a version as text, such as `bh.avif bhkmo.jpg`. The photos of a
shard have few different shapes, so that a summary of the shard can store them all.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from volumes.photo_path import Info, PhotoFile, Variant
from volumes.sizes import ORIGINAL_LETTER
from volumes.version_files import VersionFiles, VersionState, versions_in

SLOW_EXT = "avif"


@dataclass(frozen=True, slots=True)
class ShapeRule:
    """The sizes and formats of a photo that has all of them, by the config."""

    sizes: str
    avif_sizes: str
    full_size: str
    """The size of the second pass, or empty if the first pass makes it."""
    has_webp: bool

    def is_doubtful(self, shape: str) -> bool:
        """Return True if photos of this shape may lack an original, a size, or a format.

        A small photo has fewer sizes, and only its info tells.
        """
        letters = dict(part.split(".")[::-1] for part in shape.split())
        if not any(ORIGINAL_LETTER in each for each in letters.values()):
            return True
        made = {ext: set(each) - {ORIGINAL_LETTER} for ext, each in letters.items()}
        jpegs, webps, avifs = (made.get(ext, set()) for ext in ("jpg", "webp", SLOW_EXT))
        return (
            jpegs != set(self.sizes)
            or not set(self.full_size) <= jpegs
            or not set(self.avif_sizes) & jpegs <= avifs
            or (bool(self.has_webp or webps) and webps != jpegs)
        )


@dataclass(frozen=True, slots=True)
class ShardPhotos:
    """The photos of a shard, as far as work can be left."""

    pending: tuple[Variant, ...]
    """The originals without sizes, without a failure, and without a tombstone."""
    shapes: tuple[str, ...]
    """The different shapes of versions that are ready or lack an original, sorted."""


def photos_in(files: Iterable[PhotoFile]) -> ShardPhotos:
    """Return the photos of a shard with these files."""
    known = list(files)
    variants: dict[str, dict[str, str]] = {}
    for file in known:
        if isinstance(file, Variant | Info):
            sizes = variants.setdefault(str(file.photo_version), {})
            if isinstance(file, Variant):
                sizes[file.ext] = sizes.get(file.ext, "") + file.size
    pending: list[Variant] = []
    shapes: set[str] = set()
    for version in versions_in(known):
        made = variants.get(str(version.photo_version))
        original = version.original
        if version.state is VersionState.PENDING and original is not None:
            pending.append(original)
        elif made is not None and _is_compared(version, original):
            shapes.add(" ".join(f"{''.join(sorted(made[ext]))}.{ext}" for ext in sorted(made)))
    return ShardPhotos(tuple(pending), tuple(sorted(shapes)))


def _is_compared(version: VersionFiles, original: Variant | None) -> bool:
    return version.state is VersionState.READY or (original is None and not version.is_gone)
