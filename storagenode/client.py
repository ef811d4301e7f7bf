"""The client of a node's write port: what other parts of the cluster ask of a node."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from permission_urls import InternalSigner
from storagenode import wire
from storagenode.errors import Corrupt, NodeError, Unreachable
from storagenode.layout import OwedFile, Place, TrashedFile
from storagenode.publishing import Published
from storagenode.shard_listing import ListedFile
from volumes.address import Address
from volumes.cluster import NodeId
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    Info,
    PhotoFile,
    PhotoVersion,
    VolumeId,
    parse_path,
    render_path,
)

CONNECT_SECONDS = 0.5
CALL_SECONDS = 5.0
# A node that sends a file may take its time, but not fall silent.
SILENCE_SECONDS = 10.0
# How long a signature is good: longer than any transfer, and short enough to be worthless later.
SIGNATURE_SECONDS = 300

# Also what is no HTTP: of a node behind that nothing is known either.
_UNREACHABLE = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class FileNote:
    """What a node has noted of a file."""

    digest: str
    size_bytes: int
    mtime_seconds: int


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file's bytes, verified, and what is noted of it."""

    data: bytes
    note: FileNote


@dataclass(frozen=True, slots=True)
class FileStream:
    """A file on its way from a node, not verified yet."""

    note: FileNote
    chunks: AsyncIterator[bytes]


class NodeClient:
    """Speaks to the write port of one node. Not answering in time is `Unreachable`, never a no."""

    def __init__(
        self,
        address: Address,
        session: aiohttp.ClientSession,
        signer: InternalSigner,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self.url = f"http://{address}"
        self._session = session
        self._signer = signer
        self._now_seconds = now_seconds

    async def status(self, *, timeout_seconds: float = CALL_SECONDS) -> wire.NodeStatus:
        """What the node says of itself."""
        fields = await self._call("GET", wire.STATUS_ROUTE, timeout_seconds=timeout_seconds)
        return wire.NodeStatus(**{**fields, "volumes": tuple(fields["volumes"])})

    async def put(
        self,
        place: Place,
        body: AsyncIterator[bytes],
        *,
        mtime_seconds: int,
        bytes_total: int | None,
        digest: Callable[[], str] | None = None,
    ) -> Published:
        """Stream a file to a place; returns when it is on the node's disk, name and all.

        `bytes_total` is the length of the body if it is known. `digest` gives the body's SHA-256
        once it has ended, for who sends one body to several nodes; without, it is computed here.
        Nothing is published if the body raises. There is no time-out here: how long a mirror may
        take is the caller's decision.
        """
        path = wire.file_path(place, mtime_seconds=mtime_seconds)
        headers = {wire.SIGNATURE_HEADER: self._sign("PUT", path, wire.DIGEST_LATER)}
        if bytes_total is not None:
            headers["Content-Length"] = str(bytes_total + wire.TRAILER_BYTES)
        if digest is None:
            hasher = hashlib.sha256()
            body, digest = _hashing(body, hasher), hasher.hexdigest
        fields = await self._send(
            "PUT",
            path,
            data=self._with_trailer(path, body, digest),
            headers=headers,
            timeout_seconds=None,
        )
        return Published(**fields)

    async def put_bundle(
        self,
        of: PhotoVersion,
        body: bytes,
        *,
        owed_to: NodeId | None,
        mtime_seconds: int,
        timeout_seconds: float = CALL_SECONDS,
    ) -> None:
        """Publish the sizes of a version, as `wire.render_bundle` made them."""
        path = wire.bundle_path(of, owed_to, mtime_seconds=mtime_seconds)
        await self._call("POST", path, body, timeout_seconds=timeout_seconds)

    async def bury(
        self, place: Place, *, mtime_seconds: int, timeout_seconds: float = CALL_SECONDS
    ) -> None:
        """Write a tombstone and take what it covers out of sight."""
        path = wire.file_path(place, route="tombstones", mtime_seconds=mtime_seconds)
        await self._call("PUT", path, timeout_seconds=timeout_seconds)

    async def fetch(self, place: Place, *, timeout_seconds: float = CALL_SECONDS) -> FetchedFile:
        """A whole file, verified here against the digest it was written with.

        Raises:
            Corrupt: The bytes that came are not those that were written.
        """
        async with self._streaming(
            wire.file_path(place), "GET", timeout_seconds=timeout_seconds
        ) as response:
            data = await response.read()
            note = _note_of(response)
            if hashlib.sha256(data).hexdigest() != note.digest:
                raise Corrupt(f"{place} from {self.url} does not have SHA-256 {note.digest}")
            return FetchedFile(data, note)

    async def stat(self, place: Place, *, timeout_seconds: float = CALL_SECONDS) -> FileNote:
        """What is noted of a file, without its bytes."""
        async with self._streaming(
            wire.file_path(place), "HEAD", timeout_seconds=timeout_seconds
        ) as response:
            return _note_of(response)

    @contextlib.asynccontextmanager
    async def stream(self, place: Place) -> AsyncIterator[FileStream]:
        """A file piece by piece, not verified: the caller compares the digest at the end."""
        async with self._streaming(wire.file_path(place), "GET", timeout_seconds=None) as response:
            yield FileStream(_note_of(response), response.content.iter_any())

    async def pull(self, pull: wire.Pull, *, timeout_seconds: float | None = None) -> Published:
        """Have the node fetch a file from another node and publish it."""
        fields = await self._call(
            "POST", wire.PULL_ROUTE, wire.render_pull(pull), timeout_seconds=timeout_seconds
        )
        return Published(**fields)

    async def adopt(self, place: Place, digest: str) -> str:
        """Have the node note the digest of a file that has none; that digest.

        Raises:
            Corrupt: Its bytes have another digest than the one given. They are set aside.
        """
        fields = await self._call("POST", wire.adopt_path(place, digest), timeout_seconds=None)
        return str(fields["sha256"])

    async def relink(
        self, of: PhotoVersion, version: Version, *, original_only: bool = False
    ) -> tuple[str, ...]:
        """Have the node link every file of a version under another version; the new paths."""
        query = f"?only={wire.ORIGINAL_ONLY}" if original_only else ""
        fields = await self._call("POST", f"/relinks/{of}/{version}{query}")
        return tuple(fields["paths"])

    async def quarantine(self, place: Place) -> None:
        """Have the node set a file aside."""
        await self._call("POST", wire.file_path(place, route="quarantine"))

    async def owed(self, home: NodeId) -> list[OwedFile]:
        """Files the node holds for another, up to `wire.OWED_LIST_MAX` of them."""
        rows = await self._call("GET", f"{wire.OWED_ROUTE}?owed_to={home}")
        return [OwedFile(wire.parse_place(r), int(r["bytes"]), str(r["sha256"])) for r in rows]

    async def settle(self, place: Place) -> None:
        """Let go of a file that was held for a node, which has it now."""
        await self._call("DELETE", wire.file_path(place))

    async def open_volume(self, volume: VolumeId) -> None:
        """Make the node a home of a volume."""
        await self._call("PUT", f"/volumes/{volume}")

    async def shard_digests(self, volume: VolumeId) -> dict[str, str]:
        """A digest of every shard of a volume that has files."""
        digests: dict[str, str] = await self._call("GET", f"/volumes/{volume}/shards")
        return digests

    async def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """The files of a shard."""
        return wire.parse_listing(await self._call("GET", f"/volumes/{volume}/shards/{shard}"))

    async def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """The files of one photo at home on the node."""
        return wire.parse_listing(await self._call("GET", f"/volumes/{volume}/photos/{photo}"))

    async def digests(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, str]:
        """The digests of those of these files that are at home on the node; "" is unverified."""
        body = wire.render_paths(files)
        found = await self._call("POST", wire.DIGESTS_ROUTE, body)
        return {parse_path(path): str(digest) for path, digest in found.items()}

    async def infos(self, files: Sequence[Info]) -> dict[Info, bytes]:
        """Those of these infos that the node has, each verified against its digest."""
        body = wire.render_paths(files)
        async with self._streaming(
            wire.INFOS_ROUTE, "POST", body, timeout_seconds=CALL_SECONDS
        ) as response:
            bundled = {file.path: file for file in wire.parse_bundle(await response.read())}
        answers = {file: bundled.get(render_path(file)) for file in files}
        return {
            file: answer.data
            for file, answer in answers.items()
            if answer and hashlib.sha256(answer.data).hexdigest() == answer.digest
        }

    async def scrub(self, *, ask: bool = False) -> dict[str, Any]:
        """How far the node's scrub is; `ask` has another pass begin after the present one."""
        document: dict[str, Any] = await self._call("POST" if ask else "GET", wire.SCRUB_ROUTE)
        return document

    async def find(self, photo: str) -> list[str]:
        """Every path of a photo on the node, hidden ones included."""
        found: list[str] = await self._call("GET", f"/find/{photo}")
        return found

    async def trashed(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """What the node's trash has of a photo, the day it was deleted on last first."""
        return wire.parse_trashed(await self._call("GET", f"/volumes/{volume}/trash/{photo}"))

    @contextlib.asynccontextmanager
    async def stream_trashed(self, file: TrashedFile) -> AsyncIterator[FileStream]:
        """A file of the trash piece by piece, not verified: the caller compares the digest."""
        path = f"/trash/{file.day}/{render_path(file.file)}"
        async with self._streaming(path, "GET", timeout_seconds=None) as response:
            yield FileStream(_note_of(response), response.content.iter_any())

    async def _with_trailer(
        self, path: str, body: AsyncIterator[bytes], digest: Callable[[], str]
    ) -> AsyncIterator[bytes]:
        # One piece behind, so that the trailer leaves with the last and costs no packet of its own.
        last = b""
        async for piece in body:
            if last:
                yield last
            last = piece
        yield last + wire.render_trailer(self._sign("PUT", path, digest()))

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        timeout_seconds: float | None = CALL_SECONDS,
    ) -> Any:
        digest = hashlib.sha256(body).hexdigest()
        headers = {wire.SIGNATURE_HEADER: self._sign(method, path, digest)}
        return await self._send(
            method, path, data=body, headers=headers, timeout_seconds=timeout_seconds
        )

    async def _send(
        self,
        method: str,
        path: str,
        *,
        data: Any,
        headers: dict[str, str],
        timeout_seconds: float | None,
    ) -> Any:
        try:
            async with self._session.request(
                method,
                self._url(path),
                data=data,
                headers=headers,
                timeout=_timeout(timeout_seconds),
            ) as response:
                await _raise_refusal(response)
                return await response.json()
        except (aiohttp.ContentTypeError, ValueError) as error:
            raise NodeError(f"{self.url} does not answer as a node does: {error}") from error
        except _UNREACHABLE as error:
            raise _unreachable(self.url, error) from error

    @contextlib.asynccontextmanager
    async def _streaming(
        self, path: str, method: str, body: bytes = b"", *, timeout_seconds: float | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        digest = hashlib.sha256(body).hexdigest()
        headers = {wire.SIGNATURE_HEADER: self._sign(method, path, digest)}
        try:
            async with self._session.request(
                method,
                self._url(path),
                data=body or None,
                headers=headers,
                timeout=_timeout(timeout_seconds, silence_seconds=SILENCE_SECONDS),
            ) as response:
                await _raise_refusal(response)
                yield response
        except _UNREACHABLE as error:
            raise _unreachable(self.url, error) from error

    def _sign(self, method: str, path: str, digest: str) -> str:
        return self._signer.sign_request(
            method=method,
            path=path,
            digest=digest,
            expiry_seconds=int(self._now_seconds()) + SIGNATURE_SECONDS,
        )

    def _url(self, path: str) -> URL:
        return URL(self.url + path, encoded=True)


async def _hashing(body: AsyncIterator[bytes], hasher: "hashlib._Hash") -> AsyncIterator[bytes]:
    async for piece in body:
        hasher.update(piece)
        yield piece


def _note_of(response: aiohttp.ClientResponse) -> FileNote:
    try:
        return FileNote(
            digest=response.headers[wire.DIGEST_HEADER],
            size_bytes=int(response.headers["Content-Length"]),
            mtime_seconds=int(response.headers[wire.MTIME_HEADER]),
        )
    except (KeyError, ValueError) as error:
        raise Unreachable(f"{response.url} was not answered by a node: {error!r}") from error


def _timeout(
    total_seconds: float | None, *, silence_seconds: float | None = None
) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=total_seconds, sock_connect=CONNECT_SECONDS, sock_read=silence_seconds
    )


async def _raise_refusal(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    name = response.headers.get(wire.ERROR_HEADER, "")
    raise wire.parse_error(response.status, name, await response.text())


def _unreachable(url: str, error: BaseException) -> Unreachable:
    if isinstance(error, asyncio.TimeoutError):
        return Unreachable(f"{url} did not answer in time")
    return Unreachable(f"{url}: {type(error).__name__}: {error}")
