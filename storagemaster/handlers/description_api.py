"""Routes that describe the API, and the settings of the cluster that its clients depend on."""

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.metadata import version

from aiohttp import web

from permission_urls import KeySource, Purpose
from permission_urls.tickets import COUNT_MAX, LIFETIME_SECONDS_MAX
from storagemaster import wire
from storagemaster.admission.authorization import Handler
from storagemaster.documents import Capabilities
from storagemaster.known_wire import KNOWN_PHOTOS_MAX
from storagemaster.openapi.document import openapi_document
from storagemaster.resumable import tus
from storagemaster.uploads.waiting import WAIT_SECONDS_MAX
from storagenode.protocol.agreement import agreed_headers
from volumes.cluster import Cluster
from volumes.formats import FILE_SUFFIXES

MAX_AGE_SECONDS = 60


class DescriptionApi:
    """Handlers of the routes that describe the API. They reveal neither nodes nor volumes."""

    def __init__(self, cluster: Cluster, keys: KeySource, map_digest: Callable[[], str]) -> None:
        self._map_digest = map_digest
        self._cluster = cluster
        self._keys = keys
        self.handlers: Mapping[wire.Route, Handler] = {
            wire.OPENAPI: self.openapi,
            wire.CAPABILITIES: self.capabilities,
            wire.HEALTH: self.health,
        }

    async def openapi(self, _: web.Request) -> web.Response:
        """Return the API as OpenAPI 3.1."""
        return _response(self._openapi)

    async def capabilities(self, _: web.Request) -> web.Response:
        """Return the sizes, formats, limits, and keys of the cluster."""
        keys = self._keys.ring(Purpose.READ).keys
        document = capabilities_of(
            self._cluster, url_keys=[key.key_id for key in keys if key.state.verifies]
        )
        return _response(json.dumps(document).encode())

    async def health(self, _: web.Request) -> web.Response:
        """Respond, for the health checks of load balancers and of other storagemasters."""
        agreed = agreed_headers(self._map_digest(), self._keys, self._cluster.tls)
        return web.Response(text="ok\n", headers={"Cache-Control": "no-store", **agreed})

    @cached_property
    def _openapi(self) -> bytes:
        return json.dumps(openapi_document(version=version("glassplate"))).encode()


def capabilities_of(cluster: Cluster, *, url_keys: list[str]) -> Capabilities:
    """Return what a client can expect of the cluster."""
    variants = cluster.variant_formats
    made = {"jpg": True, "webp": variants.webp, "avif": variants.avif}
    return {
        "version": version("glassplate"),
        "sizes": [
            {
                "letter": size.letter,
                "edge_pixels": size.edge_pixels,
                "square": size.square,
                "size_class": size.size_class.value,
            }
            for size in cluster.sizes
        ],
        "upload_formats": list(FILE_SUFFIXES),
        "size_formats": [ext for ext, is_made in made.items() if is_made],
        "limits": {
            "upload_bytes": cluster.limits.upload_bytes_max,
            "pixels": cluster.limits.pixels_max,
            "wait_seconds": WAIT_SECONDS_MAX,
            "lookup_photos": wire.BATCH_PHOTOS_MAX,
            "known_photos": KNOWN_PHOTOS_MAX,
            "page_photos": wire.PAGE_PHOTOS_MAX,
            "idempotency_key_characters": wire.IDEMPOTENCY_KEY_CHARACTERS_MAX,
            "ticket_photos": COUNT_MAX,
            "ticket_seconds": LIFETIME_SECONDS_MAX,
            "trash_days": cluster.limits.trash_days,
        },
        "tus": {
            "version": tus.VERSION,
            "extensions": tus.EXTENSIONS.split(","),
            "checksum_algorithms": list(tus.CHECKSUM_ALGORITHMS),
        },
        "url_keys": url_keys,
    }


def _response(body: bytes) -> web.Response:
    return web.Response(
        body=body,
        content_type="application/json",
        charset="utf-8",
        headers={"Cache-Control": f"max-age={MAX_AGE_SECONDS}"},
    )
