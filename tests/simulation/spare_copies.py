"""Copies that a fault may destroy: never the last one, so that every loss is a bug.

A fault may damage a file if another mirror has a complete and durable copy.
"""

import hashlib

from permission_urls import TombstoneProofs
from storagenode.protocol.layout import HINTS, Place
from tests.simulation.simulated_node import SimulatedNode
from tests.simulation.world import KEYS, World
from tests.storagenode.disk.crash_file_system import Contents
from volumes.cluster import NodeId
from volumes.photo_path import InvalidPath, PhotoTombstone, VolumeId, parse_path


class SpareCopies:
    """Search for files with another durable copy."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._proofs = TombstoneProofs(KEYS)

    def spare_files(self, node: SimulatedNode) -> list[str]:
        """Return the files on a node that a fault may damage now, sorted by path."""
        return sorted(
            path
            for path in node.disk.contents()
            if not path.startswith(".")
            and _place_of(path) is not None
            and node.disk.durable(path) is not None
            and self.has_another(node, path)
        )

    def may_lose(self, node: SimulatedNode, *, but: dict[str, Contents] | None = None) -> bool:
        """Return True if a node may lose all files that a backup does not have."""
        kept = but or {}
        return all(
            self.has_another(node, path)
            for path, contents in node.disk.contents().items()
            if kept.get(path) != contents and _place_of(path) is not None
        )

    def has_another(self, node: SimulatedNode, path: str) -> bool:
        """Return True if another mirror has a complete and durable copy of a file."""
        place = _place_of(path)
        if place is None:
            return False
        if place.hint_for in self._world.edges:
            return self._is_elsewhere(node, path, path, list(self._world.nodes.values()))
        mirrors = self._world.mirrors_of(_volume_of(place))
        return self._is_elsewhere(node, path, Place(place.file).path, mirrors)

    def _is_elsewhere(
        self, node: SimulatedNode, own_path: str, path: str, mirrors: list[SimulatedNode]
    ) -> bool:
        own = node.disk.contents().get(own_path)
        for other in mirrors:
            found = other.disk.durable(path) if other is not node else None
            if found is None or not self._is_complete(path, found):
                continue
            # Two originals of one name can differ until they are settled.
            if own is None or own.digest in {None, found.digest}:
                return True
        return False

    def _is_complete(self, path: str, contents: Contents) -> bool:
        if path.endswith(".gone"):
            photo_path = path.split("/", 2)[-1] if path.startswith(HINTS) else path
            return self._proofs.is_genuine(photo_path, contents.digest or "")
        return hashlib.sha256(contents.data).hexdigest() == contents.digest


def _volume_of(place: Place) -> VolumeId:
    file = place.file
    return file.volume if isinstance(file, PhotoTombstone) else file.photo_version.volume


def _place_of(path: str) -> Place | None:
    """Return the place of a photo file or hint, or None for other files."""
    hint_for = None
    if path.startswith(f"{HINTS}/"):
        _, hint_for, path = path.split("/", 2)
    try:
        return Place(parse_path(path), NodeId(hint_for) if hint_for else None)
    except InvalidPath:
        return None
