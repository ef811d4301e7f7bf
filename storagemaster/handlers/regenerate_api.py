"""Regeneration routes: the photos to regenerate, shard by shard, and each regeneration."""

from collections.abc import Mapping

from aiohttp import web

from storagemaster import wire
from storagemaster.admission.auditing import TARGET
from storagemaster.admission.authorization import BODY, CALLER, Handler
from storagemaster.admission.path_fields import shard_in, volume_in
from storagemaster.errors import BadArgument
from storagemaster.lifecycle.regeneration import Regeneration
from volumes.json_text import parse_json
from volumes.photo_id import InvalidPhotoId
from volumes.photo_path import InvalidPath, parse_photo_version

RECIPE_CHARACTERS_MAX = 32


class RegenerateApi:
    """Handlers of the regeneration routes."""

    def __init__(self, regeneration: Regeneration) -> None:
        self._regeneration = regeneration
        self.handlers: Mapping[wire.Route, Handler] = {
            wire.REGENERATION_SHARDS: self.shards,
            wire.REGENERATION_PHOTOS: self.find,
            wire.REGENERATE: self.regenerate,
        }

    async def shards(self, request: web.Request) -> web.Response:
        """Return the shards of a volume that have files."""
        shards = await self._regeneration.shards(volume_in(request))
        return web.json_response({"shards": shards})

    async def find(self, request: web.Request) -> web.Response:
        """Return the photos of a shard whose sizes can be regenerated."""
        recipe = _recipe(request.query.get("recipe"))
        found = await self._regeneration.find(volume_in(request), shard_in(request), recipe=recipe)
        return web.json_response({"photos": [str(photo_version) for photo_version in found]})

    async def regenerate(self, request: web.Request) -> web.Response:
        """Enqueue the regeneration of one photo's sizes."""
        try:
            document = parse_json(request[BODY])
            photo_version = parse_photo_version(document["photo"])
            recipe = _recipe(document.get("recipe"))
            if unknown := document.keys() - {"photo", "recipe"}:
                raise BadArgument(f"unknown fields: {', '.join(sorted(unknown))}")
        except (InvalidPath, InvalidPhotoId) as error:
            raise BadArgument(str(error)) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadArgument(
                'malformed body: send {"photo": "VOLUME/PHOTO/VERSION"}, and optionally a recipe'
            ) from error
        request[CALLER].refuse_other_volumes(photo_version.volume)
        request[TARGET] = str(photo_version)
        new = await self._regeneration.regenerate(photo_version, recipe=recipe)
        return web.json_response({"photo": str(photo_version), "regenerated": str(new)}, status=202)


def _recipe(value: object) -> str | None:
    if value is None:
        return None
    if not (isinstance(value, str) and 0 < len(value) <= RECIPE_CHARACTERS_MAX):
        raise BadArgument(f"invalid recipe: must be 1 to {RECIPE_CHARACTERS_MAX} characters")
    return value
