"""Handlers of resumable uploads, by the tus protocol. They translate HTTP and decide nothing."""

import json
from collections.abc import AsyncIterator, Container, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from permission_urls import PermissionUrlError
from runtime.crashpoint import crashpoint
from runtime.http_server import refuse_encoded_body
from storagemaster import wire
from storagemaster.admission.auditing import STORED, upload_act
from storagemaster.admission.authorization import CALLER, Authorization, Handler
from storagemaster.errors import (
    BadArgument,
    ChecksumMismatch,
    DigestMismatch,
    TooLarge,
    TusVersionMismatch,
    Unavailable,
    UnknownUpload,
    UnsupportedFormat,
    UploadLocked,
)
from storagemaster.handlers.upload_request import body_limit, declared_digest, upload_request
from storagemaster.photos.photo_urls import NO_URLS, UrlGrant
from storagemaster.resumable import tus
from storagemaster.resumable.resumable_uploads import Progress, ResumableUploads
from storagemaster.resumable.upload_url import ResumableUpload
from storagemaster.upload_wire import (
    PREFER_HEADER,
    PREFER_STATE,
    UploadState,
    render_upload_state,
)
from storagemaster.uploads.upload_body import (
    DeclaredBody,
    parse_digest_header,
    render_digest_header,
)


class TusApi:
    """Handlers for clients that upload a photo in parts."""

    def __init__(
        self,
        uploads: ResumableUploads,
        authorization: Authorization,
        *,
        bytes_max: int,
        revoked_tokens: Container[str] = (),
    ) -> None:
        self._revoked_tokens = revoked_tokens
        self._uploads = uploads
        self._authorization = authorization
        self._bytes_max = bytes_max
        self._by_method: Mapping[str, Handler] = {
            "HEAD": self.offset,
            "PATCH": self.append,
            "DELETE": self.end,
        }
        self.handlers: Mapping[wire.Route, Handler] = {
            wire.UPLOAD_OPTIONS: self.options,
            wire.BEGIN_UPLOAD: self.begin,
            wire.UPLOAD_OFFSET: self.offset,
            wire.APPEND_TO_UPLOAD: self.append,
            wire.UPLOAD_STATE: self.state,
            wire.END_UPLOAD: self.end,
            wire.OVERRIDDEN_UPLOAD: self.overridden,
        }

    async def options(self, _: web.Request) -> web.Response:
        """Return what of the protocol is supported."""
        headers = {
            "Tus-Version": tus.VERSION,
            "Tus-Extension": tus.EXTENSIONS,
            "Tus-Max-Size": str(self._bytes_max),
            "Tus-Checksum-Algorithm": ",".join(tus.CHECKSUM_ALGORITHMS),
        }
        return web.Response(status=204, headers=headers)

    async def close(self) -> None:
        """Remove the uploads that have ended."""
        await self._uploads.close()

    async def begin(self, request: web.Request) -> web.Response:
        """Make room for an upload, and append the body if there is one."""
        _check_version(request)
        length = _announced_length(request)
        metadata = request.headers.get(tus.METADATA_HEADER, "")
        sha256 = tus.parse_digest(metadata) or declared_digest(request)
        wanted = upload_request(request, DeclaredBody(bytes_total=length, sha256=sha256))
        bytes_max = body_limit(wanted, self._bytes_max)
        if length > bytes_max:
            raise TooLarge(
                f"the upload exceeds {bytes_max} bytes (limits.upload_bytes_max, "
                "or the limit of the application or the ticket)"
            )
        has_body = request.can_read_body and request.content_length != 0
        upload, progress = await self._uploads.begin(
            wanted,
            metadata=metadata,
            token_id=request[CALLER].token_id,
            # Another client expects to send all bytes.
            finds_stored=_prefers_state(request) and not has_body,
        )
        crashpoint("partial_created")
        if has_body:
            progress = await self._append(request, upload, offset=0, urls=wanted.urls)
        response = await self._respond(request, 201, upload, progress, urls=wanted.urls)
        response.headers["Location"] = wire.UPLOAD_OFFSET.path(
            {"upload": self._uploads.sign(upload)}
        )
        return response

    async def offset(self, request: web.Request) -> web.Response:
        """Return the byte at which the upload continues, after storing one that is complete.

        Clients begin again after any status but success and 423, which they get while no copy can
        be reached.
        """
        _check_version(request)
        upload = self._upload(request)
        try:
            progress = await self._uploads.progress(upload)
        except Unavailable as error:
            raise UploadLocked(str(error)) from error
        _note_stored(request, upload, progress)
        response = _response(200, upload, progress)
        response.headers[tus.LENGTH_HEADER] = str(upload.bytes_total)
        if upload.metadata:
            response.headers[tus.METADATA_HEADER] = upload.metadata
        return response

    async def append(self, request: web.Request) -> web.Response:
        """Append the body. The one that completes the upload stores the photo."""
        _check_version(request)
        if request.content_type != tus.PATCH_TYPE:
            raise UnsupportedFormat(f"send the bytes with Content-Type: {tus.PATCH_TYPE}")
        upload = self._upload(request)
        offset = tus.parse_number(tus.OFFSET_HEADER, request.headers.get(tus.OFFSET_HEADER))
        urls = self._urls_in(request, upload) if _prefers_state(request) else NO_URLS
        progress = await self._append(request, upload, offset=offset, urls=urls)
        return await self._respond(request, 204, upload, progress, urls=urls)

    async def state(self, request: web.Request) -> web.Response:
        """Return the receipt of a stored photo, or the byte at which the upload continues."""
        upload = self._upload(request)
        urls = self._urls_in(request, upload)
        progress = await self._uploads.progress(upload, urls=urls)
        _note_stored(request, upload, progress)
        state = await self._state(upload, progress, urls=urls)
        return web.json_response(render_upload_state(state), headers={"Cache-Control": "no-store"})

    async def end(self, request: web.Request) -> web.Response:
        """Remove an upload that is not complete."""
        _check_version(request)
        await self._uploads.end(self._upload(request))
        return web.Response(status=204)

    async def overridden(self, request: web.Request) -> web.StreamResponse:
        """Handle a POST for a client that can send no other method, as tus requires."""
        method = request.headers.get(tus.OVERRIDE_HEADER, "").upper()
        if method not in self._by_method:
            raise BadArgument(f"send {tus.OVERRIDE_HEADER} with {', '.join(self._by_method)}")
        return await self._by_method[method](request)

    async def _append(
        self, request: web.Request, upload: ResumableUpload, *, offset: int, urls: UrlGrant
    ) -> Progress:
        refuse_encoded_body(request)
        checks = _declared_checks(request)
        room = max(0, upload.bytes_total - offset)
        if (request.content_length or 0) > room:
            raise _too_large(upload, room)
        sent = self._authorization.until_revoked(upload.token_id, request.content.iter_any())
        body = _refusing_more(sent, upload, room)
        progress = await self._uploads.append(
            upload, _verified(body, checks), offset=offset, whole=bool(checks), urls=urls
        )
        _note_stored(request, upload, progress)
        crashpoint("before_reply")
        return progress

    async def _respond(
        self,
        request: web.Request,
        status: int,
        upload: ResumableUpload,
        progress: Progress,
        *,
        urls: UrlGrant,
    ) -> web.Response:
        """Return the response to a request that changes an upload, with the state on request."""
        if not _prefers_state(request):
            return _response(status, upload, progress)
        state = await self._state(upload, progress, urls=urls)
        response = _response(200 if status == 204 else status, upload, progress)
        response.content_type = "application/json"
        response.text = json.dumps(render_upload_state(state))
        response.headers["Preference-Applied"] = PREFER_STATE
        return response

    async def _state(
        self, upload: ResumableUpload, progress: Progress, *, urls: UrlGrant
    ) -> UploadState:
        receipt = progress.receipt
        if progress.is_stored and receipt is None:
            receipt = await self._uploads.receipt(upload, urls=urls)
        return UploadState(
            state="stored" if progress.is_stored else "partial",
            reference=str(upload.photo_version),
            offset=progress.offset,
            bytes=upload.bytes_total,
            receipt=receipt,
        )

    def _urls_in(self, request: web.Request, upload: ResumableUpload) -> UrlGrant:
        return self._authorization.optional_urls(request, upload.photo_version.volume)

    def _upload(self, request: web.Request) -> ResumableUpload:
        try:
            upload = self._uploads.verify(request.match_info["upload"])
        except PermissionUrlError as error:
            raise UnknownUpload("this is not the URL of an upload") from error
        if upload.token_id in self._revoked_tokens:
            raise UnknownUpload("the token that began this upload was revoked")
        application, _, _ = upload.application.partition(" ")
        self._authorization.cross_origin.refuse_other_origins(request, application)
        return upload


def _prefers_state(request: web.Request) -> bool:
    preferences = request.headers.get(PREFER_HEADER, "").split(",")
    return PREFER_STATE in {each.strip() for each in preferences}


def _note_stored(request: web.Request, upload: ResumableUpload, progress: Progress) -> None:
    """Leave the upload for the audit log, if this request has stored the photo."""
    if progress.receipt is not None:
        application, _, _ = upload.application.partition(" ")
        reference = str(upload.photo_version)
        request[STORED] = upload_act(reference, upload.token_id, application)


@dataclass(frozen=True, slots=True)
class _Check:
    """A declared digest of one request's body, and the error if it is wrong."""

    declared: tus.Checksum
    error: type[ChecksumMismatch | DigestMismatch]


def _declared_checks(request: web.Request) -> tuple[_Check, ...]:
    checks = []
    if (text := request.headers.get(tus.CHECKSUM_HEADER)) is not None:
        checks.append(_Check(tus.parse_checksum(text), ChecksumMismatch))
    if (text := request.headers.get(wire.CONTENT_DIGEST_HEADER)) is not None:
        digest = bytes.fromhex(parse_digest_header(text))
        checks.append(_Check(tus.Checksum("sha256", digest), DigestMismatch))
    return tuple(checks)


async def _verified(body: AsyncIterator[bytes], checks: Sequence[_Check]) -> AsyncIterator[bytes]:
    """Yield a body; raise instead of ending if it does not have a declared digest."""
    hashes = [check.declared.hasher() for check in checks]
    async for chunk in body:
        for each in hashes:
            each.update(chunk)
        yield chunk
    for check, found in zip(checks, hashes, strict=True):
        if found.digest() != check.declared.digest:
            raise check.error(
                f"received {check.declared.algorithm} {found.hexdigest()}, expected "
                f"{check.declared.digest.hex()}"
            )


def _too_large(upload: ResumableUpload, room: int) -> TooLarge:
    return TooLarge(
        f"the upload has {upload.bytes_total} bytes, so that at most {room} more can be sent"
    )


async def _refusing_more(
    body: AsyncIterator[bytes], upload: ResumableUpload, room: int
) -> AsyncIterator[bytes]:
    """Yield a body; raise `TooLarge` before the bytes that the upload has no room for."""
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > room:
            raise _too_large(upload, room)
        yield chunk


def _announced_length(request: web.Request) -> int:
    if tus.DEFER_HEADER in request.headers:
        raise BadArgument(f"send {tus.LENGTH_HEADER}: its deferral is not supported")
    length = tus.parse_number(tus.LENGTH_HEADER, request.headers.get(tus.LENGTH_HEADER))
    if length == 0:
        raise BadArgument("an empty file is not a photo")
    return length


def _check_version(request: web.Request) -> None:
    if request.headers.get(tus.VERSION_HEADER) != tus.VERSION:
        raise TusVersionMismatch(f"send {tus.VERSION_HEADER}: {tus.VERSION}")


def _response(status: int, upload: ResumableUpload, progress: Progress) -> web.Response:
    headers = {
        tus.OFFSET_HEADER: str(progress.offset),
        "Cache-Control": "no-store",
    }
    if progress.is_stored:
        headers[wire.REFERENCE_HEADER] = str(upload.photo_version)
    else:
        headers[tus.EXPIRES_HEADER] = tus.render_expiry(upload.expiry_seconds)
    if progress.receipt is not None:
        headers[wire.DURABILITY_HEADER] = progress.receipt.durability
        headers[wire.DIGEST_HEADER] = render_digest_header(progress.receipt.sha256)
    return web.Response(status=status, headers=headers)
