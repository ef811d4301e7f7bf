"""The client of a node's write port: what other parts of the cluster ask of a node."""

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cached_property
from typing import Any

import aiohttp

from storagenode.protocol import batch_wire, wire, writes_wire
from storagenode.protocol.errors import Corrupt, NodeError, Unreachable
from storagenode.protocol.files import FetchedFile, FileMetadata, FileStream, ListedFile, Published
from storagenode.protocol.layout import HintFile, Place, TrashedFile
from storagenode.protocol.writes_wire import InMemoryFile, Outcome
from storagenode.transport.signed_requests import CALL_SECONDS, SignedRequests
from storagenode.transport.write_batcher import WriteBatcher
from volumes.cluster import NodeId
from volumes.cold_tier import ColdTier, SizeFilter, render_cold_tier
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    Info,
    PhotoFile,
    PhotoVersion,
    VolumeId,
    parse_path,
    render_path,
)

# A thousand directories are read for them, perhaps from a cold disk.
TOMBSTONES_SECONDS = 30.0
# A bucket's server copies every byte, of an original as large as any.
RELINK_SECONDS_MAX = 30.0


class NodeClient(SignedRequests):
    """What can be asked of the write port of one node."""

    @cached_property
    def _writes(self) -> WriteBatcher:
        return WriteBatcher(self._write_many)

    def close(self) -> None:
        """Let go of what only short requests need."""
        self._writes.close()
        super().close()

    async def status(self, *, timeout_seconds: float = CALL_SECONDS) -> wire.NodeStatus:
        """What the node says of itself."""
        fields = await self._call("GET", wire.STATUS_ROUTE, timeout_seconds=timeout_seconds)
        tuples = {name: tuple(fields[name]) for name in ("volumes", "fenced")}
        return wire.NodeStatus(**{**fields, **tuples})

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
        headers = {wire.SIGNATURE_HEADER: self._sign("PUT", path, wire.DIGEST_IN_TRAILER)}
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

    async def put_whole(
        self, place: Place, data: bytes, *, mtime_seconds: int, digest: str
    ) -> Published:
        """As `put`, for a file of at most `wire.WHOLE_BYTES_MAX` that is in memory."""
        return await self._writes.put(InMemoryFile(place, data, digest, mtime_seconds))

    async def put_bundle(
        self,
        photo_version: PhotoVersion,
        body: bytes,
        *,
        hint_for: NodeId | None,
        mtime_seconds: int,
        timeout_seconds: float = CALL_SECONDS,
    ) -> None:
        """Publish the sizes of a version, as `wire.render_bundle` made them."""
        path = wire.bundle_path(photo_version, hint_for, mtime_seconds=mtime_seconds)
        await self._call("POST", path, body, timeout_seconds=timeout_seconds)

    async def write_tombstone(
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
            metadata = _note_of(response)
            if hashlib.sha256(data).hexdigest() != metadata.digest:
                raise Corrupt(f"{place} from {self.url} does not have SHA-256 {metadata.digest}")
            return FetchedFile(data, metadata)

    async def stat(self, place: Place, *, timeout_seconds: float = CALL_SECONDS) -> FileMetadata:
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

    async def pull_many(
        self, pulls: Sequence[wire.Pull], *, timeout_seconds: float
    ) -> list[NodeError | None]:
        """Have the node fetch small files from one other node; why each could not be, if so."""
        body = batch_wire.render_pulls(pulls)
        path = batch_wire.PULLS_ROUTE
        entries = await self._call("POST", path, body, timeout_seconds=timeout_seconds)
        return [batch_wire.parse_refusal(entry) if entry else None for entry in entries]

    async def fetch_many(self, places: Sequence[Place]) -> list[batch_wire.Outcome]:
        """Small files at once, not verified: the caller compares their digests."""
        body = batch_wire.render_places(places)
        async with self._streaming(
            batch_wire.READS_ROUTE, "POST", body=body, timeout_seconds=CALL_SECONDS
        ) as response:
            return batch_wire.parse_batch(await response.read())

    async def restore_digest(self, place: Place, digest: str) -> str:
        """Have the node note the digest of a file that has none; that digest.

        Raises:
            Corrupt: Its bytes have another digest than the one given. They are set aside.
        """
        fields = await self._call(
            "POST", wire.restore_digest_path(place, digest), timeout_seconds=None
        )
        return str(fields["sha256"])

    async def relink(
        self, photo_version: PhotoVersion, version: Version, *, original_only: bool = False
    ) -> tuple[str, ...]:
        """Have the node link every file of a version under another version; the new paths."""
        query = f"?only={wire.ORIGINAL_ONLY}" if original_only else ""
        path = f"/relinks/{photo_version}/{version}{query}"
        fields = await self._call("POST", path, timeout_seconds=RELINK_SECONDS_MAX)
        return tuple(fields["paths"])

    async def list_hints(self, mirror: NodeId) -> list[HintFile]:
        """Files the node holds for another, up to `wire.HINTS_PER_LIST_MAX` of them."""
        rows = await self._call("GET", f"{wire.HINTS_ROUTE}?hint_for={mirror}")
        return [HintFile(wire.parse_place(r), int(r["bytes"]), str(r["sha256"])) for r in rows]

    async def remove_hint(self, place: Place) -> None:
        """Let go of a file that was held for a node, which has it now."""
        await self._call("DELETE", wire.file_path(place))

    async def create_volume(self, volume: VolumeId) -> None:
        """Make the node a home of a volume."""
        await self._call("PUT", f"/volumes/{volume}")

    async def shard_digests(
        self, volume: VolumeId, part: SizeFilter | None = None
    ) -> dict[str, str]:
        """A digest of every shard of a volume that has files, or files of a part of them."""
        digests: dict[str, str] = await self._call("GET", wire.shards_path(volume, part))
        return digests

    async def set_cold_tier(self, volume: VolumeId, cold_tier: ColdTier | None) -> None:
        """Have the node note who keeps a volume's large sizes, or that all mirrors do again."""
        body = render_cold_tier(cold_tier).encode() if cold_tier else b""
        await self._call("PUT", f"/volumes/{volume}/cold-tier", body)

    async def drop_copy(self, place: Place, digest: str) -> None:
        """Have the node let go of a file that the keepers of its volume have."""
        await self._call("POST", wire.drop_path(place, digest))

    async def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """The files of a shard."""
        return wire.parse_listing(await self._call("GET", f"/volumes/{volume}/shards/{shard}"))

    async def list_shards(
        self, volume: VolumeId, shards: Sequence[str]
    ) -> dict[str, tuple[ListedFile, ...]]:
        """The files of several shards."""
        body = json.dumps(list(shards)).encode()
        found = await self._call("POST", f"/volumes/{volume}/listings", body)
        return {shard: wire.parse_listing(rows) for shard, rows in found.items()}

    async def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """The files of one photo at home on the node."""
        return wire.parse_listing(await self._call("GET", f"/volumes/{volume}/photos/{photo}"))

    async def tombstones(self, volume: VolumeId) -> set[str]:
        """The names of all tombstones of a volume."""
        path = f"/volumes/{volume}/tombstones"
        return set(await self._call("GET", path, timeout_seconds=TOMBSTONES_SECONDS))

    async def lift_fence(self, volume: VolumeId, serial: str) -> None:
        """Tell the node that it has heard of all tombstones there were when it was away."""
        await self._call("DELETE", f"/volumes/{volume}/fence/{serial}")

    async def digests(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, str]:
        """The digests of those of these files that are at home on the node; "" is unverified."""
        body = wire.render_paths(files)
        found = await self._call("POST", wire.DIGESTS_ROUTE, body)
        return {parse_path(path): str(digest) for path, digest in found.items()}

    async def infos(self, files: Sequence[Info]) -> dict[Info, bytes]:
        """Those of these infos that the node has, each verified against its digest."""
        body = wire.render_paths(files)
        async with self._streaming(
            wire.INFOS_ROUTE, "POST", timeout_seconds=CALL_SECONDS, body=body
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

    async def list_trash(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """What the node's trash has of a photo, the day it was deleted on last first."""
        return wire.parse_trashed(await self._call("GET", f"/volumes/{volume}/trash/{photo}"))

    @contextlib.asynccontextmanager
    async def stream_trashed(self, file: TrashedFile) -> AsyncIterator[FileStream]:
        """A file of the trash piece by piece, not verified: the caller compares the digest."""
        path = f"/trash/{file.day}/{render_path(file.file)}"
        async with self._streaming(path, "GET", timeout_seconds=None) as response:
            yield FileStream(_note_of(response), response.content.iter_any())

    async def _write_many(self, files: Sequence[InMemoryFile]) -> list[Outcome]:
        line = writes_wire.render_line(files)
        body = b"".join([line, *(file.data for file in files)])
        rows = await self._call_short("POST", writes_wire.WRITES_ROUTE, body, signed=line)
        try:
            return writes_wire.parse_outcomes(rows, count=len(files))
        except (TypeError, KeyError) as error:
            raise self._no_node(error) from error

    async def _with_trailer(
        self, path: str, body: AsyncIterator[bytes], digest: Callable[[], str]
    ) -> AsyncIterator[bytes]:
        async for chunk in body:
            yield chunk
        yield wire.render_trailer(self._sign("PUT", path, digest()))


async def _hashing(body: AsyncIterator[bytes], hasher: "hashlib._Hash") -> AsyncIterator[bytes]:
    async for chunk in body:
        hasher.update(chunk)
        yield chunk


def _note_of(response: aiohttp.ClientResponse) -> FileMetadata:
    try:
        return FileMetadata(
            digest=response.headers[wire.DIGEST_HEADER],
            size_bytes=int(response.headers["Content-Length"]),
            mtime_seconds=int(response.headers[wire.MTIME_HEADER]),
        )
    except (KeyError, ValueError) as error:
        raise Unreachable(f"{response.url} was not answered by a node: {error!r}") from error
