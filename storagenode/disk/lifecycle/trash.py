"""The trash of a disk: lookup of a photo, and removal of days whose retention has ended."""

import contextlib
import re
from datetime import UTC, datetime, timedelta

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import recorded_digest
from storagenode.disk.walking import names_in
from storagenode.protocol.layout import TRASH, TrashedFile, trash_path
from volumes.photo_id import PhotoId
from volumes.photo_path import InvalidPath, VolumeId, parse_name, shard_of

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_day(text: str) -> bool:
    """Return True if the text is the name of a day in the trash.

    >>> is_day("2026-01-30"), is_day("..")
    (True, False)
    """
    return _DAY.fullmatch(text) is not None


def trashed_files(file_system: FileSystem, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
    """Return the files of a photo in the trash, the latest day first."""
    days = sorted(filter(is_day, names_in(file_system, TRASH)), reverse=True)
    return [file for day in days for file in _trashed_on(file_system, day, volume, photo)]


def ended_days(days: list[str], *, now_seconds: float, retention_days: int) -> list[str]:
    """Return the days of the trash that are older than the retention, the oldest first.

    >>> ended_days(["2026-01-01", "2026-01-30", "x"], now_seconds=1769904000, retention_days=30)
    ['2026-01-01']
    """
    today = datetime.fromtimestamp(now_seconds, UTC).date()
    last_kept = (today - timedelta(days=retention_days)).isoformat()
    return sorted(day for day in days if _DAY.fullmatch(day) and day < last_kept)


def empty_trash(file_system: FileSystem, *, now_seconds: float, retention_days: int) -> int:
    """Unlink files that were deleted before the retention; return their number."""
    days = ended_days(
        names_in(file_system, TRASH), now_seconds=now_seconds, retention_days=retention_days
    )
    return sum(_remove_below(file_system, f"{TRASH}/{day}") for day in days)


def _trashed_on(
    file_system: FileSystem, day: str, volume: VolumeId, photo: PhotoId
) -> list[TrashedFile]:
    directory = trash_path(day, f"{volume}/{shard_of(photo)}")
    found = []
    # Skip files that are unlinked meanwhile or are not photo files.
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
    for name in names_in(file_system, directory):
        path = f"{directory}/{name}"
        if "." in name:
            with contextlib.suppress(FileNotFoundError):
                file_system.unlink(path)
                removed += 1
        else:
            removed += _remove_below(file_system, path)
    file_system.remove_directory(directory)
    return removed
