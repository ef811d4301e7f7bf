"""The parameters of an upload: its headers and its query, whatever way its body comes."""

from dataclasses import replace

from aiohttp import web

from permission_urls import Ticket
from storagemaster import wire
from storagemaster.admission.authorization import CALLER, URLS
from storagemaster.errors import BadArgument, DigestMismatch
from storagemaster.photos.photo_urls import NO_URLS
from storagemaster.uploads.upload_body import DeclaredBody, parse_digest_header
from storagemaster.uploads.uploads import UploadRequest
from storagemaster.uploads.waiting import WAIT_SECONDS_MAX
from volumes.json_text import parse_whole_number
from volumes.photo_path import parse_volume


def upload_request(request: web.Request, declared: DeclaredBody) -> UploadRequest:
    """Return the upload that a request describes, without its body.

    Raises:
        BadArgument: A header or a parameter is invalid.
    """
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise BadArgument("unsupported Content-Encoding; send the photo without one")
    caller, text = request[CALLER], request.query.get("volume")
    volume = parse_volume(text) if text is not None else None
    if volume is not None:
        caller.refuse_other_volumes(volume)
    upload = UploadRequest(
        declared=declared,
        volume=volume,
        own_volumes=caller.volumes,
        application=caller.key_namespace,
        urls=request.get(URLS, NO_URLS),
        idempotency_key=_idempotency_key(request),
        strict=_is_strict(request),
        is_waiting=wait_seconds(request) > 0,
        bytes_max=caller.bytes_max,
        formats=caller.formats,
    )
    if caller.ticket is None:
        return upload
    return _with_ticket(upload, caller.ticket, index=_ticket_index(request))


def body_limit(upload: UploadRequest, bytes_max: int) -> int:
    """Return the longest body of an upload, below the limit of the cluster."""
    return bytes_max if upload.bytes_max is None else min(bytes_max, upload.bytes_max)


def _with_ticket(upload: UploadRequest, ticket: Ticket, *, index: int) -> UploadRequest:
    """Return an upload as its ticket restricts it.

    The ticket and the index are the key of the photo, so each use stores one photo at most.
    """
    if upload.idempotency_key is not None:
        raise BadArgument("leave out Idempotency-Key: the ticket and its index are the key")
    if not index < ticket.count:
        raise BadArgument(f"invalid ticket index {index}: the ticket allows {ticket.count} photos")
    declared = upload.declared
    if ticket.sha256 is not None:
        if declared.sha256 not in {None, ticket.sha256}:
            raise DigestMismatch(f"declared SHA-256 {declared.sha256}, expected {ticket.sha256}")
        declared = replace(declared, sha256=ticket.sha256)
    return replace(
        upload,
        declared=declared,
        idempotency_key=ticket_key(ticket, index),
        strict=upload.strict or ticket.strict,
        ref=ticket.ref or "",
    )


def ticket_key(ticket: Ticket, index: int) -> str:
    """Return the Idempotency-Key of a use of a ticket."""
    return f"ticket\n{ticket.id}\n{index}"


def _ticket_index(request: web.Request) -> int:
    try:
        return parse_whole_number(request.headers.get(wire.TICKET_INDEX_HEADER, "0"))
    except ValueError as error:
        raise BadArgument(f"invalid {wire.TICKET_INDEX_HEADER}: {error}") from error


def declared_digest(request: web.Request) -> str | None:
    """Return the SHA-256 that the client declares for the whole photo, or None."""
    text = request.headers.get(wire.DIGEST_HEADER)
    return None if text is None else parse_digest_header(text)


def wait_seconds(request: web.Request) -> int:
    """Return how long the client waits for the sizes, or 0 by default."""
    if "wait" not in request.query:
        return 0
    try:
        seconds = parse_whole_number(request.query["wait"])
    except ValueError as error:
        raise BadArgument(f"invalid wait: {error}") from error
    if seconds > WAIT_SECONDS_MAX:
        raise BadArgument(f"invalid wait {seconds}: at most {WAIT_SECONDS_MAX} seconds")
    return seconds


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get(wire.IDEMPOTENCY_HEADER)
    if key is None:
        return None
    if not (0 < len(key) <= wire.IDEMPOTENCY_KEY_CHARACTERS_MAX and key.isprintable()):
        raise BadArgument(
            "invalid Idempotency-Key: must be 1 to "
            f"{wire.IDEMPOTENCY_KEY_CHARACTERS_MAX} printable characters"
        )
    return key


def _is_strict(request: web.Request) -> bool:
    durability = request.headers.get(wire.DURABILITY_HEADER, "degraded")
    if durability not in {"strict", "degraded"}:
        raise BadArgument(f"invalid Durability {durability!r}: must be strict or degraded")
    return durability == "strict"
