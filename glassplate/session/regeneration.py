"""Having sizes made again: what there is to rebuild, shard by shard, and each photo of it."""

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
    """What an open client asks of storagemasters to have sizes made again; of scope admin."""

    def __init__(self, masters: Masters) -> None:
        self._masters = masters

    async def shards(self, volume: int) -> list[str]:
        """The shards of a volume that have photos."""
        request = Request(route=wire.REGENERATION_SHARDS, fields={"volume": volume})
        return await self._ask(request, lambda fields: list(map(str, fields["shards"])))

    async def find(
        self, volume: int, shard: str, *, recipe: str | None = None
    ) -> list[PhotoVersion]:
        """The photos of a shard without sizes; with a recipe, those that another one made."""
        request = Request(
            route=wire.REGENERATION_PHOTOS,
            fields={"volume": volume, "shard": shard},
            query=[] if recipe is None else [("recipe", recipe)],
        )
        return await self._ask(
            request, lambda fields: [parse_version_reference(text) for text in fields["photos"]]
        )

    async def regenerate(
        self, photo_version: PhotoVersion, *, recipe: str | None = None
    ) -> PhotoVersion:
        """Have a photo's sizes made again; the version that will have them.

        With a recipe that is a new version, the same one every time; the old one stays.

        Raises:
            NotFound: There is no such photo.
        """
        document = {"photo": str(photo_version)} | ({} if recipe is None else {"recipe": recipe})
        request = Request(
            route=wire.REGENERATE,
            headers={"Content-Type": "application/json"},
            body=MemoryBody(json.dumps(document).encode()),
        )
        return await self._ask(
            request, lambda fields: parse_version_reference(fields["regenerated"])
        )

    async def _ask(self, request: Request, read: Callable[[dict[str, Any]], _Result]) -> _Result:
        answer = await self._masters.ask(request)
        try:
            return read(answer.document())
        except (KeyError, TypeError) as error:
            raise InvalidResponse(f"the answer lacks what was asked for: {error!r}") from error
