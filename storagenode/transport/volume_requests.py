"""Requests to one node about many volumes at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from storagenode.protocol import routes, volume_wire
from storagenode.protocol.files import UnfinishedPhotos, VolumeSummary
from storagenode.transport.signed_requests import SignedRequests
from storagenode.transport.trash_requests import LISTING_SECONDS
from volumes.photo_path import VolumeId
from volumes.photo_shapes import ShapeRule


class VolumeRequests(SignedRequests):
    """Sender of requests about volumes. A volume that the node does not mirror has no result."""

    async def volume_summaries(self, volumes: Sequence[VolumeId]) -> dict[VolumeId, VolumeSummary]:
        """Return the summaries of volumes."""
        found: dict[VolumeId, VolumeSummary] = {}
        left = list(volumes)
        while left:
            rows = await self._volumes(routes.VOLUME_SUMMARIES, volume_wire.render_volumes(left))
            parsed = {number: volume_wire.parse_summary(row) for number, row in rows.items()}
            found |= {number: each for number, each in parsed.items() if each is not None}
            left = [number for number, each in parsed.items() if each is None]
        return found

    async def unfinished(
        self, known: Mapping[VolumeId, str], rule: ShapeRule
    ) -> dict[VolumeId, UnfinishedPhotos | None]:
        """Return the photos without sizes of volumes, by the digest that is known of each volume.

        A volume whose digest has not changed has None.
        """
        found: dict[VolumeId, UnfinishedPhotos | None] = {}
        left = dict(known)
        while left:
            body = volume_wire.render_known(left, rule)
            rows = await self._volumes(routes.UNFINISHED_PHOTOS, body)
            found |= {
                number: volume_wire.parse_unfinished(row) for number, row in rows.items() if row
            }
            left = {number: known[number] for number, row in rows.items() if not row}
        return found

    async def _volumes(self, route: routes.Route, body: bytes) -> dict[VolumeId, Any]:
        """Return the rows of a response by volume, which are None while the node still lists."""
        rows = await self._call(route.target(), body, timeout_seconds=LISTING_SECONDS)
        return {VolumeId(int(number)): row for number, row in rows.items()}
