"""Reusable roots of nodes, because creating a thousand directories is slower than a test."""

import shutil
from pathlib import Path

from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.marker import mark_root
from storagenode.disk.store import DiskStore
from storagenode.protocol.layout import (
    COLD_TIER_MARKER,
    HINTS,
    NODE_MARKER,
    QUARANTINE,
    STAGING,
    TRASH,
    volume_marker,
)
from tests.storagenode.photo_samples import VOLUME
from tests.storagenode.tombstones import PROOFS
from volumes.cluster import Node


class Roots:
    """Marked roots that mirror VOLUME. Each is emptied before reuse."""

    def __init__(self, folder: Path, node: Node) -> None:
        self._folder = folder
        self._node = node
        self._taken = 0

    def take(self) -> Path:
        """Return a root without photos."""
        self._taken += 1
        root = self._folder / f"root-{self._taken}"
        if root.exists():
            _empty(root)
        else:
            mark_root(root, self._node)
        if not (root / volume_marker(VOLUME)).exists():
            file_system = DiskFileSystem(root)
            DiskStore(file_system, PROOFS).create_volumes([VOLUME])
            file_system.close_root()
        return root

    def release_all(self) -> None:
        """Make all roots available again."""
        self._taken = 0


def _empty(root: Path) -> None:
    for entry in root.iterdir():
        if entry.name in {HINTS, TRASH, QUARANTINE, STAGING}:
            shutil.rmtree(entry)
        elif entry.name == str(VOLUME):
            for photo_file in entry.glob("*/*"):
                photo_file.unlink()
            (entry / COLD_TIER_MARKER).unlink(missing_ok=True)
        elif entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != NODE_MARKER:
            entry.unlink()
    for name in (HINTS, TRASH, QUARANTINE, STAGING):
        (root / name).mkdir()
