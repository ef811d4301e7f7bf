"""Routes that describe the API."""

import json
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version

from aiohttp import web

from storagemaster import wire
from storagemaster.handlers.authorization import Handler
from storagemaster.openapi.document import openapi_document

MAX_AGE_SECONDS = 60


class DescriptionApi:
    """Handlers of the routes that describe the API."""

    def __init__(self) -> None:
        self.handlers: Mapping[wire.Route, Handler] = {wire.OPENAPI: self.openapi}

    async def openapi(self, _: web.Request) -> web.Response:
        """Return the API as OpenAPI 3.1."""
        return web.Response(
            body=self._openapi,
            content_type="application/json",
            charset="utf-8",
            headers={"Cache-Control": f"max-age={MAX_AGE_SECONDS}"},
        )

    @cached_property
    def _openapi(self) -> bytes:
        return json.dumps(openapi_document(version=version("glassplate"))).encode()
