"""The files that `glassplate put` uploads: named files, and photos in named directories."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from glassplate.errors import UnusableSource, UsageError
from volumes.formats import is_photo_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenFiles:
    """Files to upload, unusable paths, and files that are not photos by their names."""

    files: tuple[Path, ...]
    refused: tuple[tuple[Path, UsageError], ...]
    skipped: tuple[Path, ...]


def choose_files(paths: Sequence[Path], *, recursive: bool) -> ChosenFiles:
    """Return the files that these paths name, each once, in order.

    A named file is one whatever its suffix.
    """
    files: dict[Path, None] = {}
    refused: list[tuple[Path, UsageError]] = []
    skipped: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files[path] = None
        elif not recursive:
            error = UnusableSource(f"{path} is a directory; use -r to upload the photos in it")
            refused.append((path, error))
        else:
            for file in _files_below(path, refused):
                if is_photo_name(file.name):
                    files[file] = None
                else:
                    skipped.append(file)
    return ChosenFiles(files=tuple(files), refused=tuple(refused), skipped=tuple(skipped))


def _files_below(root: Path, refused: list[tuple[Path, UsageError]]) -> Iterator[Path]:
    """Yield every file below a directory, sorted. Unreadable directories go to `refused`."""

    def refuse(error: OSError) -> None:
        path = Path(error.filename)
        refused.append((path, UnusableSource(f"cannot list {path}: {error.strerror}")))

    for folder, folders, names in os.walk(root, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            yield Path(folder) / name
