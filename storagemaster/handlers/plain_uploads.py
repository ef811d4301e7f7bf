"""Plain uploads of photos that are held in memory, past aiohttp.

`Api.upload` handles all others: the largest photos, forms, keys, options, and slow bodies. It also
responds to uploads that are refused before anything is stored.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Sequence

from aiohttp import web

from permission_urls import NO_EXPIRY, Scope
from runtime.crashpoint import crashpoint
from runtime.plain_http import PlainRequest, PlainRequests, render_json, render_response
from runtime.plain_server import SERVER_NAME
from runtime.request_scope import HEADER, current_request_id, describe_request
from storagemaster import wire
from storagemaster.admission.auditing import Auditing
from storagemaster.admission.authorization import Authorization
from storagemaster.admission.caller import Caller
from storagemaster.admission.problems import problem_of
from storagemaster.errors import MasterError
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody
from storagemaster.uploads.uploads import UploadRequest, Uploads
from storagenode.protocol.wire import WHOLE_BYTES_MAX

PLAIN_UPLOADS = PlainRequests(
    wire.UPLOAD.method,
    re.escape(wire.UPLOAD.template),
    reads=("authorization", "content-type"),
    body_bytes_max=WHOLE_BYTES_MAX,
    route=wire.UPLOAD.template,
)
_RAW_TYPE = re.compile(rb"image/[a-z0-9.+-]+|application/octet-stream")
_SERVER = {"Server": SERVER_NAME}


class PlainUploads:
    """Handler of plain uploads."""

    def __init__(
        self,
        authorization: Authorization,
        auditing: Auditing,
        uploads: Uploads,
        *,
        upload_bytes_max: int,
    ) -> None:
        self._authorization = authorization
        self._auditing = auditing
        self._uploads = uploads
        self._upload_bytes_max = upload_bytes_max

    def respond(
        self, request: PlainRequest, body: bytes
    ) -> Awaitable[Sequence[bytes] | None] | None:
        """Store a photo and return its receipt, as `Api.upload` does."""
        caller = self.caller_of(request)
        return None if caller is None else self._store(caller, body)

    def caller_of(self, request: PlainRequest) -> Caller | None:
        """Return the caller of a plain upload, or None if `Api.upload` handles the request."""
        if not _RAW_TYPE.fullmatch(request.headers.get(b"content-type", b"image/jpeg")):
            return None
        token = request.headers.get(b"authorization", b"").decode()
        try:
            caller = self._authorization.caller_of(token, Scope.UPLOAD, takes_tickets=True)
        except MasterError:
            return None
        return None if caller.has_upload_rules else caller

    async def _store(self, caller: Caller, body: bytes) -> Sequence[bytes] | None:
        describe_request(caller=caller.name)
        declared = DeclaredBody(bytes_total=len(body))
        upload = UploadRequest(
            declared=declared,
            own_volumes=caller.volumes,
            application=caller.key_namespace,
            urls=caller.url_grant(expiry_seconds=NO_EXPIRY),
        )
        incoming = UploadBody(
            _in_one_chunk(body),
            declared,
            bytes_max=self._upload_bytes_max,
            whole_bytes_max=WHOLE_BYTES_MAX,
        )
        try:
            receipt, is_new = await self._uploads.take(incoming, upload)
        except MasterError as error:
            return _render_problem(problem_of(error))
        self._auditing.note_upload(caller, receipt.reference)
        crashpoint("before_reply")
        headers = {"Location": receipt.status, HEADER: current_request_id()} | _SERVER
        return render_json(201 if is_new else 200, wire.render_receipt(receipt), headers)


async def _in_one_chunk(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body


def _render_problem(problem: web.Response) -> Sequence[bytes] | None:
    """Return the response, or None if the connection ends with it: then nothing was stored."""
    if problem.keep_alive is False:
        return None
    assert isinstance(problem.body, bytes)
    headers = {**problem.headers, HEADER: current_request_id(), **_SERVER}
    return render_response(problem.status, headers, problem.body)
