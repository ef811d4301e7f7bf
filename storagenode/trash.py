"""Emptying the trash: days whose retention has ended, and nothing younger."""

import re
from datetime import UTC, datetime, timedelta

from storagenode.filesystem import FileSystem
from storagenode.layout import TRASH

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


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
