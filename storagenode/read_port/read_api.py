"""The read port: permission URL to path to verified bytes, with no lookup of anything."""

import asyncio
import base64
import contextlib
import re
from collections.abc import Callable
from concurrent.futures import Executor
from functools import lru_cache, partial
from typing import Any, TypeVar

from aiohttp import web

from permission_urls import Forbidden, MalformedUrl, PermittedPath, Verifier, cache_control
from storagenode.open_file import OpenFile
from storagenode.protocol.errors import Corrupt, Gone, NodeError, NotFound
from storagenode.protocol.layout import Place
from storagenode.protocol.routes import HEALTH_PATH
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

# Up to here a file is read and hashed on the event loop, if memory has it: a thread costs as much.
INLINE_BYTES_MAX = 256 * 1024
# Up to here a file is held in memory whole; above, it is verified first and then streamed.
WHOLE_BYTES_MAX = 8 * 1024 * 1024

_UNCACHED_TEXT = {"Cache-Control": "no-store", "Content-Type": "text/plain; charset=utf-8"}
_SCHEME_AND_HOST = re.compile(r"\Ahttps?://[^/]*", re.IGNORECASE)


class ReadApi:
    """Answers GET, HEAD and OPTIONS for anyone who has a permission."""

    def __init__(
        self,
        store: Store,
        verifier: Verifier,
        fence: Fence,
        threads: Executor,
        *,
        now_seconds: Callable[[], float],
    ) -> None:
        self._store = store
        self._verifier = verifier
        self._fence = fence
        self._threads = threads
        self._now_seconds = now_seconds

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The response to one request; every error has a constant body that echoes nothing."""
        if request.body_exists and request.method in {"GET", "HEAD", "OPTIONS"}:
            return _refused_for_good(400, "bad request")
        if request.method == "OPTIONS":
            return _options(_target_of(request))
        if request.method not in {"GET", "HEAD"}:
            return refused(405, "method not allowed", {"Allow": ALLOWED_METHODS})
        target = _target_of(request)
        if target == HEALTH_PATH:
            return self._health()
        try:
            permitted = self._verifier.verify(target, self._now_seconds())
        except MalformedUrl:
            return refused(400, "bad request")
        except Forbidden:
            return refused(403, "forbidden")
        return await self._read(request, permitted)

    def try_fast_path(self, target: bytes) -> tuple[bytes, bytearray] | None:
        """Head and body of the 200 to a plain GET, if that waits for no disk and no thread.

        None says nothing, not even that there is no such photo: `answer` knows.
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
            data = _load_at_once(file)
            if data is None:
                return None
            self._refuse_if_gone_meanwhile(variant)
        except (NodeError, OSError):
            return None
        finally:
            file.close()
        headers = _headers_about(file, permitted, now)
        headers["Content-Type"] = MEDIA_TYPES[permitted.ext]
        headers["Accept-Ranges"] = "bytes"
        headers["Repr-Digest"] = _repr_digest(file.digest)
        return render_head("HTTP/1.1 200 OK", headers, body_bytes=len(data)), data

    async def _read(self, request: web.BaseRequest, permitted: PermittedPath) -> web.StreamResponse:
        variant, path = _variant_at(permitted)
        try:
            await self._of_store(self._store.raise_if_deleted, variant)
            if self._fence.is_fenced(variant.photo_version.volume):
                return refused(503, "unavailable")
            file = await self._of_store(self._store.open, path)
        except Gone:
            return _gone()
        except NotFound:
            return refused(404, "not found", {"Cache-Control": "public, max-age=1"})
        except (NodeError, OSError):
            return refused(503, "unavailable")
        try:
            return await self._send(request, permitted, file, variant)
        except Gone:
            return _gone()
        except Corrupt:
            await self._set_aside(variant, file)
            return refused(502, "bad gateway")
        except (NodeError, OSError):
            return refused(503, "unavailable")
        finally:
            file.close()

    async def _of_store(self, ask: Callable[[Any], T], about: Any) -> T:
        if self._store.is_local:
            return ask(about)
        return await self._in_thread(ask, about)

    async def _send(
        self, request: web.BaseRequest, permitted: PermittedPath, file: OpenFile, variant: Variant
    ) -> web.StreamResponse:
        headers = _headers_about(file, permitted, self._now_seconds())
        mtime, size = file.stat.mtime_seconds, file.stat.bytes
        answer = decide(request.headers, etag=headers["ETag"], mtime_seconds=mtime, size=size)
        if isinstance(answer, NotModified):
            # As it is in the caches that kept the photo.
            digest = {"Repr-Digest": _repr_digest(file.digest)} if file.digest else {}
            return BufferedResponse(status=304, headers=headers | digest)
        if isinstance(answer, PreconditionFailed):
            return refused(412, "precondition failed")
        if not isinstance(answer, Full | Partial):
            return refused(416, "range not satisfiable", {"Content-Range": f"bytes */{size}"})
        headers["Content-Type"] = MEDIA_TYPES[permitted.ext]
        return await self._send_bytes(request, file, answer, headers, variant)

    async def _send_bytes(
        self,
        request: web.BaseRequest,
        file: OpenFile,
        answer: Full | Partial,
        headers: dict[str, str],
        variant: Variant,
    ) -> web.StreamResponse:
        size = file.stat.bytes
        status, start, end = 200, 0, size
        if isinstance(answer, Partial):
            status, start, end = 206, answer.first, answer.last + 1
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        else:
            headers["Accept-Ranges"] = "bytes"
        if size <= WHOLE_BYTES_MAX:
            data = await self._load(file)
            self._refuse_if_gone_meanwhile(variant)
            headers["Repr-Digest"] = _repr_digest(file.digest)
            body = data if status == 200 else data[start:end]
            return BufferedResponse(status=status, headers=headers, body=body)
        await self._in_thread(file.verify)
        self._refuse_if_gone_meanwhile(variant)
        headers["Repr-Digest"] = _repr_digest(file.digest)
        response = web.StreamResponse(status=status, headers=SAFETY_HEADERS | headers)
        return await stream(request, response, file, start=start, end=end, threads=self._threads)

    def _refuse_if_gone_meanwhile(self, variant: Variant) -> None:
        """A slow disk may have read for longer than a delete takes, whose purge would come first.

        On a disk this is asked of memory. To ask a bucket again would cost more than it is worth:
        there the second purge has to do.
        """
        if self._store.is_local:
            self._store.raise_if_deleted(variant)

    async def _load(self, file: OpenFile) -> bytes | bytearray:
        data = _load_at_once(file)
        return await self._in_thread(file.read) if data is None else data

    async def _set_aside(self, variant: Variant, file: OpenFile) -> None:
        # Without a digest nothing is proven against the bytes: they stay for reconcile to settle.
        if file.digest is None:
            return
        add_to_quarantine = partial(self._store.quarantine, Place(variant), inode=file.stat.inode)
        # A disk that takes no writes keeps its corrupt file; the answer is the same.
        with contextlib.suppress(NodeError):
            await self._in_thread(add_to_quarantine)

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _health(self) -> BufferedResponse:
        if self._store.is_intact():
            return BufferedResponse(status=200, headers=_UNCACHED_TEXT, body=b"ok\n")
        return refused(503, "unavailable")


@lru_cache(maxsize=4096)
def _variant_at(permitted: PermittedPath) -> tuple[Variant, str]:
    """As `parse_path` would have it, whose grammar the permission's has in it; and its path."""
    photo_version = PhotoVersion(
        VolumeId(permitted.volume), PhotoId(permitted.photo), Version(permitted.version)
    )
    return Variant(photo_version, permitted.size, permitted.ext), permitted.path


def _headers_about(file: OpenFile, permitted: PermittedPath, now_seconds: float) -> dict[str, str]:
    """What is said of a photo with its bytes and without them."""
    mtime = file.stat.mtime_seconds
    return {
        "ETag": etag_of(mtime_seconds=mtime, size=file.stat.bytes),
        "Last-Modified": http_date(mtime),
        "Cache-Control": cache_control(permitted.permission.expiry, now_seconds),
    }


def _load_at_once(file: OpenFile) -> bytearray | None:
    return file.read_cached() if file.stat.bytes <= INLINE_BYTES_MAX else None


def _target_of(request: web.BaseRequest) -> str:
    """The raw request target; an absolute URI means what its path means."""
    target = request.raw_path
    return target if target.startswith("/") else _SCHEME_AND_HOST.sub("", target)


def _options(target: str) -> BufferedResponse:
    if not target.startswith("/"):
        return refused(400, "bad request")
    headers = {"Cache-Control": "no-store", "Allow": ALLOWED_METHODS}
    return BufferedResponse(status=204, headers=headers)


def refused(status: int, text: str, headers: dict[str, str] | None = None) -> BufferedResponse:
    """An error that says no more than its status; no cache keeps it unless `headers` say so."""
    about = _UNCACHED_TEXT | (headers or {})
    return BufferedResponse(status=status, headers=about, body=f"{text}\n".encode())


def _gone() -> BufferedResponse:
    return refused(410, "gone", {"Cache-Control": "public, max-age=60"})


def _refused_for_good(status: int, text: str) -> BufferedResponse:
    """An error that ends the connection: what else comes on it may be no request at all."""
    response = refused(status, text)
    response.force_close()
    return response


def malformed_request_response(status: int) -> BufferedResponse:
    """The answer to what was no HTTP, or to a fault of ours."""
    return refused(status, "bad request" if status < 500 else "unavailable")


@lru_cache(maxsize=4096)
def _repr_digest(digest: str) -> str:
    """A SHA-256 in hex as RFC 9530 has it."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:"
