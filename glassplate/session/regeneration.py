"""Regeneration of sizes: the photos of each shard that need it, and their jobs."""

import json

from glassplate.session.cluster_session import ClusterSession
from glassplate.urls.references import parse_version_reference
from storagemaster import wire
from volumes.photo_path import PhotoVersion


class Regeneration:
    """Regeneration requests of an open client. They require scope admin."""

    def __init__(self, session: ClusterSession) -> None:
        self._session = session

    async def shards(self, volume: int) -> list[str]:
        """Return the shards of a volume that have photos."""
        return await self._session.request(
            wire.REGENERATION_SHARDS,
            lambda fields: list(map(str, fields["shards"])),
            {"volume": volume},
        )

    async def find(
        self, volume: int, shard: str, *, recipe: str | None = None
    ) -> list[PhotoVersion]:
        """Return the photos of a shard without sizes or, given a recipe, with sizes of another."""
        return await self._session.request(
            wire.REGENERATION_PHOTOS,
            lambda fields: list(map(parse_version_reference, fields["photos"])),
            {"volume": volume, "shard": shard},
            [] if recipe is None else [("recipe", recipe)],
        )

    async def regenerate(
        self, photo_version: PhotoVersion, *, recipe: str | None = None
    ) -> PhotoVersion:
        """Enqueue a photo's sizes, and return the version that will have them.

        Given a recipe, that is a new version, which is always the same. The old one stays.

        Raises:
            NotFound: The photo does not exist.
        """
        document = {"photo": str(photo_version)} | ({} if recipe is None else {"recipe": recipe})
        return await self._session.request(
            wire.REGENERATE,
            lambda fields: parse_version_reference(fields["regenerated"]),
            json_body=json.dumps(document).encode(),
        )
