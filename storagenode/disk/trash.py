"""The trash: what it has of a photo, and emptying it of days whose retention has ended."""

import contextlib
import re
from datetime import UTC, datetime, timedelta

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import recorded_digest
from storagenode.protocol.layout import TRASH, TrashedFile, trash_path
from volumes.photo_id import PhotoId
from volumes.photo_path import InvalidPath, VolumeId, parse_name, shard_of

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_day(text: str) -> bool:
    """Whether the text is the name of one of the trash's days.

    >>> is_day("2026-01-30"), is_day("..")
    (True, False)
    """
    return _DAY.fullmatch(text) is not None


def trashed_files(file_system: FileSystem, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
    """What the trash has of a photo, the day it was deleted on last first."""
    days = sorted(filter(is_day, file_system.list(TRASH)), reverse=True)
    return [file for day in days for file in _trashed_on(file_system, day, volume, photo)]


def ended_days(days: list[str], *, now_seconds: float, retention_days: int) -> list[str]:
    """Those of the trash's days that are over and older than the retention, oldest first.

    >>> ended_days(["2026-01-01", "2026-01-30", "x"], now_seconds=1769904000, retention_days=30)
    ['2026-01-01']
    """
    today = datetime.fromtimestamp(now_seconds, UTC).date()
    last_kept = (today - timedelta(days=retention_days)).isoformat()
    return sorted(day for day in days if _DAY.fullmatch(day) and day < last_kept)


def empty_trash(file_system: FileSystem, *, now_seconds: float, retention_days: int) -> int:
    """Unlink what was deleted longer ago than the retention; how many files that were."""
    days = ended_days(
        file_system.list(TRASH), now_seconds=now_seconds, retention_days=retention_days
    )
    return sum(_remove_below(file_system, f"{TRASH}/{day}") for day in days)


def _trashed_on(
    file_system: FileSystem, day: str, volume: VolumeId, photo: PhotoId
) -> list[TrashedFile]:
    directory = trash_path(day, f"{volume}/{shard_of(photo)}")
    found = []
    # What is unlinked meanwhile, or never was a photo's, is not there.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name in sorted(file_system.list(directory)):
            if name.startswith(photo):
                with contextlib.suppress(FileNotFoundError, InvalidPath):
                    path = f"{directory}/{name}"
                    size, digest = file_system.stat(path).bytes, recorded_digest(file_system, path)
                    found.append(TrashedFile(parse_name(volume, name), day, size, digest))
    return found


def _remove_below(file_system: FileSystem, directory: str) -> int:
    removed = 0
    for name in file_system.list(directory):
        path = f"{directory}/{name}"
        if "." in name:
            file_system.unlink(path)
            removed += 1
        else:
            removed += _remove_below(file_system, path)
    file_system.remove_directory(directory)
    return removed
