"""CORS: which web sites' pages can send requests, by the `origins` of applications.

A preflight has no token, so any application's origin passes. The request itself must come from an
origin of the caller's own application. Cookies are never allowed.
"""

from collections.abc import Iterable

from aiohttp import web

from runtime.request_scope import HEADER
from storagemaster import wire
from storagemaster.console.session import is_own_origin
from storagemaster.errors import NotAllowed
from storagemaster.resumable import tus
from storagemaster.upload_wire import PREFER_HEADER
from volumes.cluster import Application

PREFLIGHT_SECONDS = 7200
ROUTES = (
    wire.UPLOAD,
    wire.KNOWN,
    wire.BEGIN_UPLOAD,
    wire.UPLOAD_OFFSET,
    wire.CAPABILITIES,
    wire.OPENAPI,
)
METHODS = "POST, HEAD, PATCH, GET, DELETE, OPTIONS"
REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    wire.CONTENT_DIGEST_HEADER,
    wire.DIGEST_HEADER,
    wire.IDEMPOTENCY_HEADER,
    wire.DURABILITY_HEADER,
    wire.TICKET_INDEX_HEADER,
    PREFER_HEADER,
    tus.VERSION_HEADER,
    tus.LENGTH_HEADER,
    tus.OFFSET_HEADER,
    tus.METADATA_HEADER,
    tus.CHECKSUM_HEADER,
    tus.OVERRIDE_HEADER,
    "X-Requested-With",
    HEADER,
)
RESPONSE_HEADERS = (
    "Location",
    tus.OFFSET_HEADER,
    tus.LENGTH_HEADER,
    tus.EXPIRES_HEADER,
    tus.METADATA_HEADER,
    tus.VERSION_HEADER,
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Checksum-Algorithm",
    wire.REFERENCE_HEADER,
    wire.DURABILITY_HEADER,
    wire.DIGEST_HEADER,
    "Retry-After",
    HEADER,
)
_TEMPLATES = frozenset(route.template for route in ROUTES)
_REFUSED = web.RequestKey("CROSS_ORIGIN_REFUSED", bool)


class CrossOrigin:
    """The origins of all applications."""

    def __init__(self, applications: Iterable[Application] = ()) -> None:
        self._origins = {each.name: frozenset(each.origins) for each in applications}
        self._all = frozenset[str]().union(*self._origins.values())

    def refuse_other_origins(self, request: web.Request, application: str) -> None:
        """Raise if a page of a web site that is not the application's sends the request.

        An application without origins has no rule, except that the origins of others are refused.
        The console is at the storagemaster's own origin.

        Raises:
            NotAllowed: The origin is not one of the application's.
        """
        origin = request.headers.get("Origin")
        own = self._origins.get(application, frozenset())
        if origin is None or origin in own or not (own or origin in self._all):
            return
        if is_own_origin(request):
            return
        request[_REFUSED] = True
        raise NotAllowed(
            f"pages of {origin} cannot send requests of application {application}: add it to "
            f"applications.{application}.origins in cluster.toml"
        )

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Allow the page that sent the request to read the response."""
        resource = request.match_info.route.resource
        if not self._all or resource is None or resource.canonical not in _TEMPLATES:
            return
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin", "")
        if origin not in self._all or request.get(_REFUSED):
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response.headers["Access-Control-Allow-Methods"] = METHODS
            response.headers["Access-Control-Allow-Headers"] = ", ".join(REQUEST_HEADERS)
            response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        else:
            response.headers["Access-Control-Expose-Headers"] = ", ".join(RESPONSE_HEADERS)


async def options(_: web.Request) -> web.Response:
    """Respond to `OPTIONS`; `name_methods` adds the methods of the path."""
    return web.Response(status=204)


async def name_methods(request: web.Request, response: web.StreamResponse) -> None:
    """Add `Allow` to responses to `OPTIONS`."""
    resource = request.match_info.route.resource
    if request.method == "OPTIONS" and resource is not None:
        methods = sorted({route.method for route in resource})
        response.headers["Allow"] = ", ".join(methods)
