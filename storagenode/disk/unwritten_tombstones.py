"""Tombstones in memory, which the disk refused to store."""

import threading

from volumes.photo_path import PhotoTombstone, VersionTombstone, render_path

Tombstone = PhotoTombstone | VersionTombstone


class UnwrittenTombstones:
    """The tombstones in memory only, with their times and proofs. All calls are thread-safe.

    They end with the process. A storagemaster delivers them again after a restart, from the hint
    or from another mirror.
    """

    def __init__(self) -> None:
        self._tombstones: dict[str, tuple[Tombstone, int, str]] = {}
        self._lock = threading.Lock()
        self.since_last = object()
        """A token that is replaced after each addition."""

    def __len__(self) -> int:
        return len(self._tombstones)

    def __contains__(self, path: str) -> bool:
        return path in self._tombstones

    def add(self, tombstone: Tombstone, mtime_seconds: int, proof: str) -> None:
        """Remember a tombstone. The first time stays."""
        with self._lock:
            self._tombstones.setdefault(render_path(tombstone), (tombstone, mtime_seconds, proof))
            self.since_last = object()

    def discard(self, tombstone: Tombstone) -> None:
        """Forget a tombstone that is durable by now."""
        if self._tombstones:
            with self._lock:
                self._tombstones.pop(render_path(tombstone), None)

    def items(self) -> list[tuple[Tombstone, int, str]]:
        """Return all tombstones with their times and proofs."""
        with self._lock:
            return list(self._tombstones.values())
