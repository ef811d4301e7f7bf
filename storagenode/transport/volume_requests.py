"""Requests to one node about many volumes at once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from storagenode.protocol import routes, volume_wire
from storagenode.protocol.files import UnfinishedPhotos, VolumeSummary
from storagenode.transport.signed_requests import SignedRequests
from storagenode.transport.trash_requests import LISTING_SECONDS
from volumes.photo_path import VolumeId
from volumes.photo_shapes import ShapeRule

# Their numbers and a digest of each take 240 KB, of `LIST_BYTES_MAX`.
VOLUMES_PER_REQUEST_MAX = 3_000


async def _ignore() -> None:
    """Do nothing."""


class VolumeRequests(SignedRequests):
    """Sender of requests about volumes. A volume that the node does not mirror has no result.

    A request returns what the node can list in some seconds, and another one continues. Each but
    the last is followed by `on_progress`.
    """

    async def volume_summaries(self, volumes: Sequence[VolumeId]) -> dict[VolumeId, VolumeSummary]:
        """Return the summaries of volumes."""
        rows = await self._rows(routes.VOLUME_SUMMARIES, volumes)
        return {number: volume_wire.parse_summary(row) for number, row in rows.items()}

    async def unfinished(
        self, known: Mapping[VolumeId, str], rule: ShapeRule
    ) -> dict[VolumeId, UnfinishedPhotos | None]:
        """Return the photos without sizes of volumes, by the digest that is known of each volume.

        A volume whose digest has not changed has None.
        """

        def render(some: Sequence[VolumeId]) -> bytes:
            return volume_wire.render_known({each: known[each] for each in some}, rule)

        rows = await self._rows(routes.UNFINISHED_PHOTOS, [*known], render)
        return {number: volume_wire.parse_unfinished(row) for number, row in rows.items()}

    async def tombstone_digests(
        self, volumes: Sequence[VolumeId], *, on_progress: Callable[[], Awaitable[None]] = _ignore
    ) -> dict[VolumeId, str]:
        """Return one digest of all tombstones of each volume."""
        return await self._rows(routes.TOMBSTONE_DIGESTS, volumes, on_progress=on_progress)

    async def tombstone_shards(self, volumes: Sequence[VolumeId]) -> dict[VolumeId, dict[str, str]]:
        """Return the digest of the tombstones of every shard with any, of each volume."""
        return await self._rows(routes.TOMBSTONE_SHARDS, volumes)

    async def tombstone_names(
        self, shards: Mapping[VolumeId, Sequence[str]]
    ) -> dict[VolumeId, set[str]]:
        """Return the names of all tombstones of some shards of each volume."""

        def render(some: Sequence[VolumeId]) -> bytes:
            return volume_wire.render_shards({each: shards[each] for each in some})

        rows = await self._rows(routes.TOMBSTONE_NAMES, [*shards], render)
        return {number: set(names) for number, names in rows.items()}

    async def lift_fences(self, serial: str, volumes: Sequence[VolumeId]) -> None:
        """Lift the fences of volumes after the node has received all their tombstones.

        A serial of an earlier fence has no effect.
        """
        for start in range(0, len(volumes), VOLUMES_PER_REQUEST_MAX):
            some = volumes[start : start + VOLUMES_PER_REQUEST_MAX]
            await self._call(
                routes.LIFT_FENCES.target(serial=serial), volume_wire.render_volumes(some)
            )

    async def _rows(
        self,
        route: routes.Route,
        volumes: Sequence[VolumeId],
        render: Callable[[Sequence[VolumeId]], bytes] = volume_wire.render_volumes,
        *,
        on_progress: Callable[[], Awaitable[None]] = _ignore,
    ) -> dict[VolumeId, Any]:
        """Return the rows of all responses by volume."""
        found: dict[VolumeId, Any] = {}
        left = list(volumes)
        while left:
            body = render(left[:VOLUMES_PER_REQUEST_MAX])
            response = await self._call(route.target(), body, timeout_seconds=LISTING_SECONDS)
            rows = {VolumeId(int(number)): row for number, row in response.items()}
            found |= {number: row for number, row in rows.items() if row is not None}
            unlisted = [number for number, row in rows.items() if row is None]
            left = [*unlisted, *left[VOLUMES_PER_REQUEST_MAX:]]
            if left:
                await on_progress()
        return found
