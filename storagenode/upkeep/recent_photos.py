"""The photos that a node stored last, in `.recent/`: a hint for people who look for new photos.

Each original is a line of text. No line is synced, and a lost one is a photo that the list lacks.
Nothing else depends on the files, and they can be removed at any moment.
"""

import heapq
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import Published
from storagenode.protocol.recent import LINES, RECENT, RecentPhoto, parse_recent
from volumes.photo_path import InvalidPath, Variant, parse_path
from volumes.sizes import ORIGINAL_LETTER

log = logging.getLogger(__name__)

# About 35,000 photos. The list has at least one full file, and at most two.
FILE_BYTES_MAX = 1536 * 1024
# Older files are copies that repair has made: an empty mirror would flood the list.
AGE_SECONDS_MAX = 3600

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_ORIGINAL = f"_{ORIGINAL_LETTER}."


class RecentPhotos:
    """The list of one node. Without a root, as for a bucket, it is empty."""

    def __init__(self, root: Path | None, *, now_seconds: Callable[[], float] = time.time) -> None:
        self._folder = None if root is None else root / RECENT
        self._now_seconds = now_seconds
        self._lock = threading.Lock()

    def record(self, outcomes: Iterable[Published | NodeError]) -> None:
        """Add the new originals among these files. A failure is not the writer's."""
        if self._folder is None:
            return
        oldest = self._now_seconds() - AGE_SECONDS_MAX
        lines = [
            f"{each.mtime_seconds} {reference}\n"
            for each in outcomes
            if isinstance(each, Published)
            and _ORIGINAL in each.path
            and not each.existed
            and each.mtime_seconds >= oldest
            and (reference := _reference_of(each.path))
        ]
        if lines:
            self._append("".join(lines))

    def record_relinked(self, paths: Iterable[str]) -> None:
        """Add the originals among files that were linked under a new version."""
        if self._folder is None:
            return
        for path in paths:
            if _ORIGINAL in path and (reference := _reference_of(path)):
                status = (self._folder.parent / path).stat()
                self._append(f"{int(status.st_mtime)} {reference}\n")

    def page(self, *, before: RecentPhoto | None, limit: int) -> list[RecentPhoto]:
        """Return up to `limit` photos before another one, the latest first."""
        # Seconds have ten digits, so that the order of the lines is that of their seconds.
        lines = {line for name in ("a", "b") for line in LINES.findall(self._read(name))}
        if before is not None:
            end = str(before).encode()
            lines = {line for line in lines if line < end}
        latest = heapq.nlargest(limit, lines)
        return [parse_recent(line.decode()) for line in latest]

    def _append(self, text: str) -> None:
        assert self._folder is not None
        try:
            path = self._folder / "a"
            with self._lock:
                # Opened each time, because an operator can remove it.
                try:
                    descriptor = os.open(path, _APPEND, 0o600)
                except FileNotFoundError:
                    self._folder.mkdir(mode=0o750, exist_ok=True)
                    descriptor = os.open(path, _APPEND, 0o600)
                try:
                    os.write(descriptor, text.encode())
                    is_full = os.fstat(descriptor).st_size >= FILE_BYTES_MAX
                finally:
                    os.close(descriptor)
                if is_full:
                    path.replace(self._folder / "b")
        except OSError as error:
            log.debug("the list of recent photos lacks some: %s", error)

    def _read(self, name: str) -> bytes:
        if self._folder is None:
            return b""
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return b""


def _reference_of(path: str) -> str:
    """Return the reference of a live original, or an empty text for any other path."""
    try:
        file = parse_path(path)
    except InvalidPath:
        return ""  # a hint: its mirror lists it
    is_original = isinstance(file, Variant) and file.size == ORIGINAL_LETTER
    return str(file.photo_version) if is_original else ""  # type: ignore[union-attr]
