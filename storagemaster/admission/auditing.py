"""Entries of requests in the audit log: acts before their response, uploads after it.

An entry has ids only: never a token, a MAC, a URL, or the name of a file.
"""

from aiohttp import web

from runtime.request_scope import current_request_id
from storagemaster.admission.authorization import CALLER, Handler
from storagemaster.admission.caller import Caller
from storagemaster.admission.problems import MALFORMED
from storagemaster.audit.audit_log import AuditLog
from storagemaster.audit.entries import Act
from storagemaster.errors import MasterError, NotAllowed, NotAuthorized
from storagemaster.wire import Route
from storagenode.protocol.errors import InvalidSignature

DONE = "done"
UPLOAD_ACT = "upload"
REFUSAL_ACT = "refuse"

TARGET = web.RequestKey("TARGET", str)
"""The photo that an act is on, if its path does not name it."""

STORED = web.RequestKey("STORED", Act)
"""The upload that a request has completed."""


class Auditing:
    """Recorder of requests in the audit log."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    def audited(self, route: Route, handle: Handler) -> Handler:
        """Return the handler of a route, which authorizes as well, with its entries in the log."""

        async def audited(request: web.Request) -> web.StreamResponse:
            try:
                response = await handle(request)
            except (NotAuthorized, NotAllowed, InvalidSignature) as error:
                self._note_refusal(request, route, error)
                raise
            except MasterError as error:
                await self._record(request, route, error.slug)
                raise
            except (*MALFORMED, web.HTTPException):
                raise
            except Exception:
                await self._record(request, route, MasterError.slug)
                raise
            await self._record(request, route, DONE)
            return response

        return audited

    def note_upload(self, caller: Caller, reference: str) -> None:
        """Add an upload."""
        self._log.note_upload(upload_act(reference, caller.token_id, caller.application))

    async def _record(self, request: web.Request, route: Route, result: str) -> None:
        caller = request.get(CALLER)
        if route.act == UPLOAD_ACT:
            if result == DONE and STORED in request:
                self._log.note_upload(request[STORED])
            return
        if not route.act or caller is None:
            return
        await self._log.record(
            Act(
                act=route.act,
                target=request.get(TARGET) or _target_in(request),
                result=result,
                caller=caller.token_id,
                application=caller.application,
                request=current_request_id(),
            )
        )

    def _note_refusal(self, request: web.Request, route: Route, error: Exception) -> None:
        caller = request.get(CALLER)
        self._log.note_refusal(
            Act(
                act=REFUSAL_ACT,
                target=f"{route.method} {route.template}",
                result=error.slug if isinstance(error, MasterError) else NotAllowed.slug,
                caller=caller.token_id if caller else "",
                application=caller.application if caller else "",
                request=current_request_id(),
            )
        )


def upload_act(reference: str, token_id: str, application: str) -> Act:
    """Return the act of storing a photo."""
    return Act(
        act=UPLOAD_ACT,
        target=reference,
        result=DONE,
        caller=token_id,
        application=application,
        request=current_request_id(),
    )


def _target_in(request: web.Request) -> str:
    """Return the photo, the shard, the volume, or the nodes that a request is for."""
    fields = request.match_info
    named = [fields[name] for name in ("volume", "photo", "version", "shard") if name in fields]
    return "/".join(named) or request.query.get("node", "all nodes")
