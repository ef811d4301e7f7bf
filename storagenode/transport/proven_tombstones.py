"""Tombstones that a node reports: one without a valid proof counts as absent.

So no listing, broken disk, or impostor can invent a delete. An operator sees the refused ones.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from permission_urls import KeySource, TombstoneProofs
from storagenode.protocol.errors import UnprovenTombstone
from storagenode.protocol.files import FileMetadata, ListedFile
from storagenode.protocol.layout import HintFile, Place
from volumes.photo_path import (
    PhotoFile,
    PhotoTombstone,
    VersionTombstone,
    VolumeId,
    parse_name,
    render_path,
)

# Each storagemaster lists a shard with an unproven tombstone again at every comparison.
REMEMBERED_SECONDS = 120.0
REMEMBERED_MAX = 1000

log = logging.getLogger(__name__)


class ProvenTombstones:
    """Filter of what one node reports."""

    def __init__(
        self,
        node: str,
        keys: KeySource,
        *,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._keys = keys
        self._monotonic_seconds = monotonic_seconds
        self._refused: dict[str, float] = {}

    def sign(self, place: Place) -> str:
        """Return the proof of a tombstone to write."""
        return self._proofs.sign(render_path(place.file))

    def listed(self, volume: VolumeId, files: Iterable[ListedFile]) -> tuple[ListedFile, ...]:
        """Return the listed files without unproven tombstones."""
        return tuple(
            file
            for file in files
            if not file.name.endswith(".gone")
            or self._is_proven(Place(parse_name(volume, file.name)), file.digest)
        )

    def hints(self, hints: Iterable[HintFile]) -> list[HintFile]:
        """Return the hints without unproven tombstones."""
        return [hint for hint in hints if self._is_proven(hint.place, hint.digest)]

    def digests(self, found: Mapping[PhotoFile, str]) -> dict[PhotoFile, str]:
        """Return the digests, without unproven tombstones."""
        return {file: text for file, text in found.items() if self._is_proven(Place(file), text)}

    def check(self, place: Place, metadata: FileMetadata) -> FileMetadata:
        """Return the metadata of a file.

        Raises:
            UnprovenTombstone: It is that of an unproven tombstone.
        """
        if not self._is_proven(place, metadata.digest):
            raise UnprovenTombstone(f"{place} on {self._node} has no valid proof")
        return metadata

    def refused(self) -> list[str]:
        """Return the paths of the tombstones that were refused of late, sorted."""
        oldest = self._monotonic_seconds() - REMEMBERED_SECONDS
        self._refused = {path: at for path, at in self._refused.items() if at >= oldest}
        return sorted(self._refused)

    def _is_proven(self, place: Place, proof: str) -> bool:
        """Return True for a genuine tombstone, and for every other file."""
        if not isinstance(place.file, PhotoTombstone | VersionTombstone):
            return True
        if self._proofs.is_genuine(render_path(place.file), proof):
            return True
        if place.path not in self._refused:
            log.error("node %s has the tombstone %s without a valid proof", self._node, place)
        if place.path in self._refused or len(self._refused) < REMEMBERED_MAX:
            self._refused[place.path] = self._monotonic_seconds()
        return False

    @cached_property
    def _proofs(self) -> TombstoneProofs:
        # The key file of a worker has no tombstone key, and a worker needs none.
        return TombstoneProofs(self._keys)
