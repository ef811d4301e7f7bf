"""The routes of rebuilding: what there is to do, shard by shard, and doing it, photo by photo."""

import json

from aiohttp import web

from storagemaster.errors import BadArgument
from storagemaster.lifecycle.regeneration import Regeneration
from volumes.photo_id import InvalidPhotoId
from volumes.photo_path import SHARDS, InvalidPath, parse_photo_version, parse_volume

RECIPE_CHARACTERS_MAX = 32


class RegenerateApi:
    """Reads requests for rebuilding and writes responses; who may ask is settled before."""

    def __init__(self, regeneration: Regeneration) -> None:
        self._regeneration = regeneration

    async def shards(self, request: web.Request) -> web.Response:
        """The shards of a volume that have files."""
        volume = parse_volume(request.match_info["volume"])
        return web.json_response({"shards": await self._regeneration.shards(volume)})

    async def find(self, request: web.Request) -> web.Response:
        """The photos of a shard that have something to rebuild."""
        volume = parse_volume(request.match_info["volume"])
        shard = request.match_info["shard"]
        if shard not in SHARDS:
            raise BadArgument(f"{shard!r} is no shard")
        recipe = _recipe(request.query.get("recipe"))
        found = await self._regeneration.find(volume, shard, recipe=recipe)
        return web.json_response({"photos": [str(photo_version) for photo_version in found]})

    async def regenerate(self, request: web.Request) -> web.Response:
        """Have one photo's sizes made again."""
        try:
            document = json.loads(await request.read())
            photo_version = parse_photo_version(document["photo"])
            recipe = _recipe(document.get("recipe"))
        except (InvalidPath, InvalidPhotoId) as error:
            raise BadArgument(str(error)) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadArgument(
                'send {"photo": "VOLUME/PHOTO/VERSION"}, and perhaps a recipe'
            ) from error
        new = await self._regeneration.regenerate(photo_version, recipe=recipe)
        return web.json_response({"photo": str(photo_version), "regenerated": str(new)}, status=202)


def _recipe(value: object) -> str | None:
    if value is None:
        return None
    if not (isinstance(value, str) and 0 < len(value) <= RECIPE_CHARACTERS_MAX):
        raise BadArgument(f"a recipe has 1 to {RECIPE_CHARACTERS_MAX} characters")
    return value
