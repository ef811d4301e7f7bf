"""Routes of the console: its pages, its sessions, and its live data.

Everything else that a page shows or does comes from the routes in `wire.py`.
"""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from permission_urls import Scope, Session
from runtime.http_server import read_body
from storagemaster.admission.auditing import TARGET, Auditing
from storagemaster.admission.authorization import CALLER, Authorization
from storagemaster.console.samples import Samples
from storagemaster.console.session import refuse_other_sites
from storagemaster.console.static import INDEX, PAGES, StaticFiles
from storagemaster.console.stream import StatusFeed, stream_to_console
from storagemaster.errors import BadArgument, NotAuthorized
from storagemaster.events.events import Events
from storagemaster.wire import Access, Route
from volumes.json_text import parse_json

SIGN_IN_BYTES_MAX = 4096
HOME = "/console/photos"
STREAM = "/console/stream"
SESSION = "/console/session"
SIGN_IN = Route("POST", SESSION, Access.OPEN, act="sign-in")
_NO_STORE = {"Cache-Control": "no-store"}


class ConsoleApi:
    """Handlers of the console."""

    def __init__(
        self,
        authorization: Authorization,
        static: StaticFiles,
        events: Events,
        feed: StatusFeed,
        samples: Samples,
        *,
        cluster: str,
        address_of: Callable[[web.Request], str] = lambda request: request.remote or "",
    ) -> None:
        self._authorization = authorization
        self._static = static
        self._events = events
        self._feed = feed
        self._samples = samples
        self._cluster = cluster
        self._address_of = address_of

    def add_routes(self, application: web.Application, auditing: Auditing) -> None:
        """Add the routes to an application. Sign-ins are in the audit log, also refused ones."""
        pages = "|".join(PAGES)
        application.router.add_routes(
            [
                web.get("/", self.home),
                web.get("/console", self.home),
                web.get("/console/", self.home),
                web.get(f"/console/{{page:({pages})(/.*)?}}", self.page),
                web.get("/console/static/{name}", self.static),
                web.get(SESSION, self.session, allow_head=False),
                web.post(SESSION, auditing.audited(SIGN_IN, self.sign_in)),
                web.delete(SESSION, self.sign_out),
                web.get(STREAM, self.stream, allow_head=False),
                web.get("/console/samples", self.samples),
            ]
        )

    async def home(self, _: web.Request) -> web.Response:
        """Lead to the photos."""
        return web.Response(status=303, headers={"Location": HOME, **_NO_STORE})

    async def page(self, request: web.Request) -> web.Response:
        """Return the document that all pages share; its script reads the path."""
        return self._static.response(INDEX, request)

    async def static(self, request: web.Request) -> web.Response:
        """Return a script, the style sheet, or an image."""
        return self._static.response(request.match_info["name"], request)

    async def session(self, request: web.Request) -> web.Response:
        """Return the session of the browser."""
        session = self._authorization.sessions.session_of(request)
        if session is None:
            raise NotAuthorized("sign in first")
        return web.json_response(self._document(session), headers=_NO_STORE)

    async def sign_in(self, request: web.Request) -> web.Response:
        """Begin a session with a token, or with a link that works once."""
        refuse_other_sites(request)
        sessions = self._authorization.sessions
        body = await read_body(request, bytes_max=SIGN_IN_BYTES_MAX)
        sessions.admit_attempt(self._address_of(request))
        match _fields_of(body):
            case {"token": str(text)}:
                token = self._authorization.token_of(text.strip())
            case {"link": str(text)}:
                token = sessions.token_of_link(text)
            case _:
                raise BadArgument('send {"token": "gp2..."}')
        request[CALLER] = self._authorization.caller_with(token)
        request[TARGET] = "console"
        text, session = sessions.begin(token)
        response = web.json_response(self._document(session), status=201, headers=_NO_STORE)
        sessions.set_cookie(request, response, text, session)
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session of the browser."""
        refuse_other_sites(request)
        response = web.Response(status=204, headers=_NO_STORE)
        self._authorization.sessions.remove_cookies(response)
        return response

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Stream the status and the events of photos, as far as the token permits."""
        caller = self._authorization.sender_of(request, None)
        session = self._authorization.sessions.session_of(request)
        may_read = Scope.READ in caller.scopes

        def is_allowed() -> bool:
            is_over = session is not None and self._authorization.sessions.is_over(session)
            return not is_over and self._authorization.is_valid(caller)

        return await stream_to_console(
            request,
            self._events,
            self._feed if Scope.STATUS in caller.scopes else None,
            may_see=lambda volume: may_read and caller.may_use(volume),
            is_allowed=is_allowed,
        )

    async def samples(self, request: web.Request) -> web.Response:
        """Return the samples of the last hours."""
        self._authorization.sender_of(request, Scope.STATUS)
        return web.json_response(self._samples.document(), headers=_NO_STORE)

    def _document(self, session: Session) -> dict[str, Any]:
        token = session.token
        return {
            "token_id": token.id,
            "application": token.application,
            "scopes": sorted(token.scopes),
            "volumes": None if token.volumes is None else [list(each) for each in token.volumes],
            "ends_seconds": session.ends_seconds,
            "csrf": session.csrf,
            "cluster": self._cluster,
        }


def _fields_of(body: bytes) -> object:
    try:
        return parse_json(body)
    except ValueError as error:
        raise BadArgument(f"the body is not JSON: {error}") from error
