"""Which files `glassplate put` uploads: those named, and the photos in directories that are."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from glassplate.errors import UnusableSource, UsageError

# In a directory, what is called a photo. A file that is named is tried, whatever it is called.
PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenFiles:
    """What is to be uploaded, what cannot be, and what is no photo by its name."""

    files: tuple[Path, ...]
    refused: tuple[tuple[Path, UsageError], ...]
    skipped: tuple[Path, ...]


def choose_files(paths: Sequence[Path], *, recursive: bool) -> ChosenFiles:
    """The files that these paths stand for, each once, in order."""
    files: dict[Path, None] = {}
    refused: list[tuple[Path, UsageError]] = []
    skipped: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files[path] = None
        elif not recursive:
            mistake = UnusableSource(f"{path} is a directory; -r uploads the photos in it")
            refused.append((path, mistake))
        else:
            for file in _files_below(path, refused):
                if file.suffix.lower() in PHOTO_SUFFIXES and not file.name.startswith("."):
                    files[file] = None
                else:
                    skipped.append(file)
    return ChosenFiles(files=tuple(files), refused=tuple(refused), skipped=tuple(skipped))


def _files_below(root: Path, refused: list[tuple[Path, UsageError]]) -> Iterator[Path]:
    """Every file below a directory, in order of names; what cannot be listed is refused."""

    def refuse(error: OSError) -> None:
        path = Path(error.filename)
        refused.append((path, UnusableSource(f"{path} cannot be listed: {error.strerror}")))

    for folder, folders, names in os.walk(root, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            yield Path(folder) / name
