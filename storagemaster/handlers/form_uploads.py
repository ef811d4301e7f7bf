"""Uploads by a plain HTML form, without JavaScript: a ticket, a file, and the next address."""

from urllib.parse import urlencode

from aiohttp import MultipartReader, web

from permission_urls import Ticket
from runtime.http_server import refuse_encoded_body
from runtime.request_scope import describe_request
from storagemaster import wire
from storagemaster.admission.auditing import STORED, upload_act
from storagemaster.admission.authorization import CALLER, Authorization
from storagemaster.errors import BadArgument, MasterError, NotAuthorized
from storagemaster.handlers.upload_request import body_limit, upload_request
from storagemaster.uploads.form import TICKET_FIELD, first_field, first_file
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody
from storagemaster.uploads.uploads import Uploads

TICKET_BYTES_MAX = 4096


class FormUploads:
    """Handler of forms. The ticket is their first field, and the photo their first file."""

    def __init__(
        self, authorization: Authorization, uploads: Uploads, *, upload_bytes_max: int
    ) -> None:
        self._authorization = authorization
        self._uploads = uploads
        self._upload_bytes_max = upload_bytes_max

    async def upload(self, request: web.Request) -> web.Response:
        """Store the photo; lead the browser to the ticket's address, or return the receipt."""
        refuse_encoded_body(request)
        if not request.content_type.startswith("multipart/"):
            raise BadArgument('send a form with enctype="multipart/form-data"')
        try:
            form = await request.multipart()
        except ValueError as error:
            raise BadArgument(f"malformed form: {error}") from error
        caller = self._authorization.caller_with_ticket(await _ticket_in(form))
        request[CALLER] = caller
        describe_request(caller=caller.name)
        self._authorization.admit(caller, request)
        assert caller.ticket is not None, "a ticket makes this caller"
        upload = upload_request(request, DeclaredBody())
        incoming = UploadBody(
            first_file(form),
            upload.declared,
            bytes_max=body_limit(upload, self._upload_bytes_max),
            formats=upload.formats,
        )
        try:
            receipt, is_new = await self._uploads.take(incoming, upload)
        except MasterError as error:
            if caller.ticket.to is None:
                raise
            return _redirect(caller.ticket, problem=error.slug)
        request[STORED] = upload_act(receipt.reference, caller.token_id, caller.application)
        if caller.ticket.to is not None:
            return _redirect(caller.ticket, reference=receipt.reference)
        return web.json_response(wire.render_receipt(receipt), status=201 if is_new else 200)


async def _ticket_in(form: MultipartReader) -> str:
    text = await first_field(form, TICKET_FIELD, bytes_max=TICKET_BYTES_MAX)
    if text is None:
        raise NotAuthorized(f"the first field of the form must be {TICKET_FIELD!r}, then the file")
    return text.decode("ascii", "replace").strip()


def _redirect(ticket: Ticket, **query: str) -> web.Response:
    """Return 303 to the address that the application has signed, so it leads nowhere else."""
    assert ticket.to is not None, "only tickets with an address redirect"
    separator = "&" if "?" in ticket.to else "?"
    return web.Response(status=303, headers={"Location": ticket.to + separator + urlencode(query)})
