"""The read port: from a permission URL to a path to verified bytes, without a database."""

import asyncio
import base64
import contextlib
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import lru_cache, partial
from typing import Any, TypeVar

from aiohttp import web

from permission_urls import Forbidden, MalformedUrl, PermittedPath, Verifier, cache_control
from storagenode.open_file import OpenFile
from storagenode.protocol.errors import Corrupt, Gone, NodeError, NotFound
from storagenode.protocol.layout import Place
from storagenode.protocol.routes import FRONT_LINES, FRONT_PATH, HEALTH_PATH
from storagenode.read_port.buffered_response import SAFETY_HEADERS, BufferedResponse, render_head
from storagenode.read_port.http_semantics import (
    Full,
    NotModified,
    Partial,
    PreconditionFailed,
    decide,
    etag_of,
    http_date,
)
from storagenode.store import Store
from storagenode.streaming import stream
from storagenode.upkeep.fence import Fence
from volumes.media_types import MEDIA_TYPES
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import PhotoVersion, Variant, VolumeId

T = TypeVar("T")

ALLOWED_METHODS = "GET, HEAD, OPTIONS"

# A cached file up to this size is read and hashed on the event loop: a thread would cost as much.
INLINE_BYTES_MAX = 256 * 1024
# A file up to this size is sent from memory. A larger one is verified first and then streamed.
WHOLE_BYTES_MAX = 8 * 1024 * 1024

_UNCACHED_TEXT = {"Cache-Control": "no-store", "Content-Type": "text/plain; charset=utf-8"}
_SCHEME_AND_HOST = re.compile(r"\Ahttps?://[^/]*", re.IGNORECASE)
_FRONT_PAGE = "".join(f"{line}\n" for line in FRONT_LINES).encode()


class ReadApi:
    """Handler of GET, HEAD, and OPTIONS requests with a permission."""

    def __init__(
        self,
        store: Store,
        verifier: Verifier,
        fence: Fence,
        threads: Executor,
        *,
        now_seconds: Callable[[], float],
        health_headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._health_headers = health_headers
        self._store = store
        self._verifier = verifier
        self._fence = fence
        self._threads = threads
        self._now_seconds = now_seconds

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the response to a request. Error responses are constant."""
        if request.body_exists and request.method in {"GET", "HEAD", "OPTIONS"}:
            return _final_refusal(400, "bad request")
        if request.method == "OPTIONS":
            return _options(_target_of(request))
        if request.method not in {"GET", "HEAD"}:
            response = refusal(405, "method not allowed", {"Allow": ALLOWED_METHODS})
            if request.body_exists:
                response.force_close()
            return response
        target = _target_of(request)
        if target == HEALTH_PATH:
            return self._health()
        if target == FRONT_PATH:
            return BufferedResponse(status=200, headers=_UNCACHED_TEXT, body=_FRONT_PAGE)
        try:
            permitted = self._verifier.verify(target, self._now_seconds())
        except MalformedUrl:
            return refusal(400, "bad request")
        except Forbidden:
            return refusal(403, "forbidden")
        return await self._read(request, permitted)

    def try_fast_path(self, target: bytes) -> tuple[bytes, bytearray] | None:
        """Return head and body of the 200 to a plain GET, if no disk or thread is needed.

        None means only that `respond` must handle the request.
        """
        if not self._store.is_local:
            return None
        now = self._now_seconds()
        try:
            permitted = self._verifier.verify(target, now)
            variant, path = _variant_at(permitted)
            self._store.raise_if_deleted(variant)
            if self._fence.is_fenced(variant.photo_version.volume):
                return None
            file = self._store.open(path)
        except (MalformedUrl, Forbidden, NodeError, OSError):
            return None
        try:
            data = _load_cached(file)
            if data is None:
                return None
            self._raise_if_deleted_meanwhile(variant)
        except (NodeError, OSError):
            return None
        finally:
            file.close()
        headers = _common_headers(file, permitted, now)
        headers["Content-Type"] = MEDIA_TYPES[permitted.ext]
        headers["Accept-Ranges"] = "bytes"
        headers["Repr-Digest"] = _repr_digest(file.digest)
        return render_head("HTTP/1.1 200 OK", headers, body_bytes=len(data)), data

    async def _read(self, request: web.BaseRequest, permitted: PermittedPath) -> web.StreamResponse:
        variant, path = _variant_at(permitted)
        try:
            await self._call_store(self._store.raise_if_deleted, variant)
            if self._fence.is_fenced(variant.photo_version.volume):
                return refusal(503, "unavailable")
            file = await self._call_store(self._store.open, path)
        except Gone:
            return _gone()
        except NotFound:
            if not self._fence.knows_absence(variant.photo_version.volume):
                return refusal(503, "unavailable")
            return refusal(404, "not found", {"Cache-Control": "public, max-age=1"})
        except (NodeError, OSError):
            return refusal(503, "unavailable")
        try:
            return await self._send(request, permitted, file, variant)
        except Gone:
            return _gone()
        except Corrupt:
            await self._quarantine(variant, file)
            return refusal(502, "bad gateway")
        except (NodeError, OSError):
            return refusal(503, "unavailable")
        finally:
            file.close()

    async def _call_store(self, call: Callable[[Any], T], argument: Any) -> T:
        if self._store.is_local:
            return call(argument)
        return await self._in_thread(call, argument)

    async def _send(
        self, request: web.BaseRequest, permitted: PermittedPath, file: OpenFile, variant: Variant
    ) -> web.StreamResponse:
        headers = _common_headers(file, permitted, self._now_seconds())
        mtime, size = file.stat.mtime_seconds, file.stat.bytes
        outcome = decide(request.headers, etag=headers["ETag"], mtime_seconds=mtime, size=size)
        if isinstance(outcome, NotModified):
            # Caches that store the photo have this header.
            digest = {"Repr-Digest": _repr_digest(file.digest)} if file.digest else {}
            return BufferedResponse(status=304, headers=headers | digest)
        if isinstance(outcome, PreconditionFailed):
            return refusal(412, "precondition failed")
        if not isinstance(outcome, Full | Partial):
            return refusal(416, "range not satisfiable", {"Content-Range": f"bytes */{size}"})
        headers["Content-Type"] = MEDIA_TYPES[permitted.ext]
        return await self._send_bytes(request, file, outcome, headers, variant)

    async def _send_bytes(
        self,
        request: web.BaseRequest,
        file: OpenFile,
        outcome: Full | Partial,
        headers: dict[str, str],
        variant: Variant,
    ) -> web.StreamResponse:
        size = file.stat.bytes
        status, start, end = 200, 0, size
        if isinstance(outcome, Partial):
            status, start, end = 206, outcome.first, outcome.last + 1
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        else:
            headers["Accept-Ranges"] = "bytes"
        if size <= WHOLE_BYTES_MAX:
            data = await self._load(file)
            self._raise_if_deleted_meanwhile(variant)
            headers["Repr-Digest"] = _repr_digest(file.digest)
            body = data if status == 200 else data[start:end]
            return BufferedResponse(status=status, headers=headers, body=body)
        await self._in_thread(file.verify)
        self._raise_if_deleted_meanwhile(variant)
        headers["Repr-Digest"] = _repr_digest(file.digest)
        response = web.StreamResponse(status=status, headers=SAFETY_HEADERS | headers)
        return await stream(request, response, file, start=start, end=end, threads=self._threads)

    def _raise_if_deleted_meanwhile(self, variant: Variant) -> None:
        """Raise `Gone` if the photo was deleted, and caches purged, during the read.

        For a disk, this is a lookup in memory. For a bucket it would cost a request, so there the
        second purge removes the photo from caches.
        """
        if self._store.is_local:
            self._store.raise_if_deleted(variant)

    async def _load(self, file: OpenFile) -> bytes | bytearray:
        data = _load_cached(file)
        return await self._in_thread(file.read) if data is None else data

    async def _quarantine(self, variant: Variant, file: OpenFile) -> None:
        # Without a digest the bytes are not known to be corrupt, so reconcile decides.
        if file.digest is None:
            return
        add_to_quarantine = partial(self._store.quarantine, Place(variant), inode=file.stat.inode)
        # A disk without writes keeps the corrupt file. The response is the same.
        with contextlib.suppress(NodeError):
            await self._in_thread(add_to_quarantine)

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _health(self) -> BufferedResponse:
        if self._store.is_intact():
            headers = {**_UNCACHED_TEXT, **self._health_headers()}
            return BufferedResponse(status=200, headers=headers, body=b"ok\n")
        return refusal(503, "unavailable")


@lru_cache(maxsize=4096)
def _variant_at(permitted: PermittedPath) -> tuple[Variant, str]:
    """Return the variant and the path of a permission, whose grammar is that of `parse_path`."""
    photo_version = PhotoVersion(
        VolumeId(permitted.volume), PhotoId(permitted.photo), Version(permitted.version)
    )
    return Variant(photo_version, permitted.size, permitted.ext), permitted.path


def _common_headers(file: OpenFile, permitted: PermittedPath, now_seconds: float) -> dict[str, str]:
    """Return the headers that responses with and without the bytes have in common."""
    mtime = file.stat.mtime_seconds
    return {
        "ETag": etag_of(mtime_seconds=mtime, size=file.stat.bytes),
        "Last-Modified": http_date(mtime),
        "Cache-Control": cache_control(permitted.permission.expiry, now_seconds),
    }


def _load_cached(file: OpenFile) -> bytearray | None:
    return file.read_cached() if file.stat.bytes <= INLINE_BYTES_MAX else None


def _target_of(request: web.BaseRequest) -> str:
    """Return the raw request target, without the scheme and host of an absolute URI."""
    target = request.raw_path
    return target if target.startswith("/") else _SCHEME_AND_HOST.sub("", target)


def _options(target: str) -> BufferedResponse:
    if not target.startswith("/"):
        return refusal(400, "bad request")
    headers = {"Cache-Control": "no-store", "Allow": ALLOWED_METHODS}
    return BufferedResponse(status=204, headers=headers)


def refusal(status: int, text: str, headers: dict[str, str] | None = None) -> BufferedResponse:
    """Return a constant error response. Caches do not store it unless `headers` allow it."""
    about = _UNCACHED_TEXT | (headers or {})
    return BufferedResponse(status=status, headers=about, body=f"{text}\n".encode())


def _gone() -> BufferedResponse:
    return refusal(410, "gone", {"Cache-Control": "public, max-age=60"})


def _final_refusal(status: int, text: str) -> BufferedResponse:
    """Return an error response that closes the connection, since the next bytes are unknown."""
    response = refusal(status, text)
    response.force_close()
    return response


def malformed_request_response(status: int) -> BufferedResponse:
    """Return the response to a malformed request, or to an internal error."""
    return refusal(status, "bad request" if status < 500 else "unavailable")


@lru_cache(maxsize=4096)
def _repr_digest(digest: str) -> str:
    """Return a hex SHA-256 in the format of RFC 9530."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:"
