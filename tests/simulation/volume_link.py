"""Calls of `VolumeRequests` on a simulated node."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import UnfinishedPhotos, VolumeSummary, volume_digest
from tests.simulation.simulated_node import SimulatedNode
from volumes.photo_path import VolumeId
from volumes.photo_shapes import ShapeRule


class VolumeLink:
    """Link to a simulated node for requests about many volumes."""

    _node: SimulatedNode
    _request: Callable[..., Any]

    async def volume_summaries(self, volumes: Sequence[VolumeId]) -> dict[VolumeId, VolumeSummary]:
        """Return the summaries of volumes."""
        store = self._node.store

        def summaries() -> dict[VolumeId, VolumeSummary]:
            store.look_again()
            return {each: store.volume_summary(each) for each in volumes}

        return await self._request(summaries)

    async def unfinished(
        self, known: Mapping[VolumeId, str], rule: ShapeRule
    ) -> dict[VolumeId, UnfinishedPhotos | None]:
        """Return the photos without sizes of volumes whose digests have changed."""
        store = self._node.store
        found = await self._request(lambda: {each: store.unfinished(each, rule) for each in known})
        return {
            each: None if unfinished.digest == known[each] else unfinished
            for each, unfinished in found.items()
        }

    async def tombstone_digests(
        self, volumes: Sequence[VolumeId], *, on_progress: Callable[[], Any] | None = None
    ) -> dict[VolumeId, str]:
        """Return one digest of the tombstones of each volume."""
        del on_progress  # no volume has that many files
        shards = await self.tombstone_shards(volumes)
        return {volume: volume_digest(digests) for volume, digests in shards.items()}

    async def tombstone_shards(self, volumes: Sequence[VolumeId]) -> dict[VolumeId, dict[str, str]]:
        """Return the digest of the tombstones of every shard of each volume."""
        return await self._of_volumes(
            volumes, lambda store, volume: store.tombstone_digests(volume)
        )

    async def tombstone_names(
        self, shards: Mapping[VolumeId, Sequence[str]]
    ) -> dict[VolumeId, set[str]]:
        """Return the names of all tombstones of some shards of each volume."""
        return await self._of_volumes(
            shards, lambda store, volume: set(store.tombstones(volume, shards[volume]))
        )

    async def lift_fences(self, serial: str, volumes: Sequence[VolumeId]) -> None:
        """Lift the fences of volumes."""
        await self._request(
            lambda: [self._node.fence.lift(each, serial=serial) for each in volumes]
        )

    async def _of_volumes(
        self, volumes: Iterable[VolumeId], row: Callable[[Any, VolumeId], Any]
    ) -> dict[VolumeId, Any]:
        """Return a row for each volume that the node can list, by its store and the volume."""

        def rows() -> dict[VolumeId, Any]:
            found = {}
            for each in volumes:
                with contextlib.suppress(NodeError):
                    found[each] = row(self._node.store, each)
            return found

        return await self._request(rows)
