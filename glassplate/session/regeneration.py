"""Regeneration of sizes: the photos of each shard that need it, and their jobs."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from glassplate.errors import InvalidResponse
from glassplate.session.exchange import Request
from glassplate.session.masters import Masters
from glassplate.session.sources import MemoryBody
from glassplate.urls.references import parse_version_reference
from storagemaster import wire
from volumes.photo_path import PhotoVersion

_Result = TypeVar("_Result")


class Regeneration:
    """Regeneration requests of an open client. They require scope admin."""

    def __init__(self, masters: Masters) -> None:
        self._masters = masters

    async def shards(self, volume: int) -> list[str]:
        """Return the shards of a volume that have photos."""
        request = Request(route=wire.REGENERATION_SHARDS, fields={"volume": volume})
        return await self._request(request, lambda fields: list(map(str, fields["shards"])))

    async def find(
        self, volume: int, shard: str, *, recipe: str | None = None
    ) -> list[PhotoVersion]:
        """Return the photos of a shard without sizes or, given a recipe, with sizes of another."""
        request = Request(
            route=wire.REGENERATION_PHOTOS,
            fields={"volume": volume, "shard": shard},
            query=[] if recipe is None else [("recipe", recipe)],
        )
        return await self._request(
            request, lambda fields: [parse_version_reference(text) for text in fields["photos"]]
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
        request = Request(
            route=wire.REGENERATE,
            headers={"Content-Type": "application/json"},
            body=MemoryBody(json.dumps(document).encode()),
        )
        return await self._request(
            request, lambda fields: parse_version_reference(fields["regenerated"])
        )

    async def _request(
        self, request: Request, parse: Callable[[dict[str, Any]], _Result]
    ) -> _Result:
        response = await self._masters.send(request)
        try:
            return parse(response.document())
        except (KeyError, TypeError) as error:
            raise InvalidResponse(f"invalid response of a storagemaster: {error!r}") from error
