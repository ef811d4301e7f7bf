"""Client of the write port of one node."""

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cached_property
from typing import Any

import aiohttp

from storagenode.protocol import batch_wire, routes, wire
from storagenode.protocol.batch_wire import InMemoryFile, ReadOutcome, WriteOutcome
from storagenode.protocol.errors import Corrupt, NodeError, StillListing, Unreachable
from storagenode.protocol.files import (
    FetchedFile,
    FileMetadata,
    FileStream,
    ListedFile,
    Published,
)
from storagenode.protocol.layout import HintFile, Place, TrashedFile
from storagenode.protocol.recent import RecentPhoto, parse_recent
from storagenode.transport.audit_requests import AuditRequests
from storagenode.transport.map_requests import MapRequests
from storagenode.transport.partial_requests import PartialRequests
from storagenode.transport.signed_requests import CALL_SECONDS
from storagenode.transport.trash_requests import LISTING_SECONDS, TrashRequests
from storagenode.transport.volume_requests import VolumeRequests
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
    render_stem,
)

# The server of a bucket copies every byte of the original.
RELINK_SECONDS_MAX = 30.0


class NodeClient(PartialRequests, AuditRequests, MapRequests, TrashRequests, VolumeRequests):
    """Requests to the write port of one node."""

    @cached_property
    def _writes(self) -> WriteBatcher:
        return WriteBatcher(self._write_many)

    def close(self) -> None:
        """Cancel waiting writes and close the connections for short requests."""
        self._writes.close()
        super().close()

    async def status(self, *, timeout_seconds: float = CALL_SECONDS) -> wire.NodeStatus:
        """Return the status of the node."""
        target = routes.STATUS.target()
        return wire.parse_status(await self._call(target, timeout_seconds=timeout_seconds))

    async def put(
        self,
        place: Place,
        body: AsyncIterator[bytes],
        *,
        mtime_seconds: int,
        bytes_total: int | None,
        digest: Callable[[], str] | None = None,
    ) -> Published:
        """Stream a file to a place; return when its bytes and its name are durable on the node.

        `bytes_total` is the length of the body, if known. `digest` returns the body's SHA-256 once
        the body has ended, so that a caller hashes a body for several nodes once. Without
        `digest`, the client computes it. If the body raises, the node publishes nothing. There is
        no timeout: the caller limits the time of a mirror.
        """
        target = routes.PUT_FILE.at(place, mtime_seconds=mtime_seconds)
        if digest is None:
            hasher = hashlib.sha256()
            body, digest = _hashing(body, hasher), hasher.hexdigest
        fields = await self._send_stream(target, body, bytes_total=bytes_total, digest=digest)
        return Published(**fields)

    async def put_whole(
        self, place: Place, data: bytes, *, mtime_seconds: int, digest: str
    ) -> Published:
        """Store a file of at most `wire.WHOLE_BYTES_MAX` bytes, with the guarantees of `put`."""
        file = InMemoryFile(place, data, digest, mtime_seconds)
        if len(data) <= wire.SHARING_BYTES_MAX:
            return await self._writes.put(file)
        (outcome,) = await self._write_many([file])
        if isinstance(outcome, NodeError):
            raise outcome
        return outcome

    async def put_bundle(
        self,
        photo_version: PhotoVersion,
        body: bytes,
        *,
        hint_for: NodeId | None,
        mtime_seconds: int,
        timeout_seconds: float = CALL_SECONDS,
    ) -> None:
        """Publish the sizes of a version from a body that `wire.render_bundle` returned."""
        query = {"mtime": mtime_seconds, "hint_for": hint_for}
        target = routes.PUT_BUNDLE.target(query, path=render_stem(photo_version))
        await self._call(target, body, timeout_seconds=timeout_seconds)

    async def write_tombstone(
        self,
        place: Place,
        *,
        mtime_seconds: int,
        map_version: int | None = None,
        timeout_seconds: float = CALL_SECONDS,
    ) -> None:
        """Write a tombstone with its proof, and move the files that it covers to the trash.

        With the version of the map that gave the mirrors, the node can refuse it with `OldMap`.
        """
        proof = self.proven.sign(place)
        target = routes.WRITE_TOMBSTONE.at(
            place, mtime_seconds=mtime_seconds, proof=proof, map_version=map_version
        )
        await self._call(target, timeout_seconds=timeout_seconds)

    async def fetch(self, place: Place, *, timeout_seconds: float = CALL_SECONDS) -> FetchedFile:
        """Return a whole file after verifying its digest.

        Raises:
            Corrupt: The received bytes do not have the recorded digest, or none is recorded.
        """
        target = routes.GET_FILE.at(place)
        async with self._streaming(target, timeout_seconds=timeout_seconds) as response:
            data = await response.read()
            metadata = _metadata_of(response)
            metadata.refuse_unverified(place)
            if hashlib.sha256(data).hexdigest() != metadata.digest:
                raise Corrupt(f"{place} from {self.url} does not have SHA-256 {metadata.digest}")
            return FetchedFile(data, metadata)

    async def stat(self, place: Place, *, timeout_seconds: float = CALL_SECONDS) -> FileMetadata:
        """Return the metadata of a file.

        Raises:
            UnprovenTombstone: It is a tombstone without a valid proof.
        """
        target = routes.HEAD_FILE.at(place)
        async with self._streaming(target, timeout_seconds=timeout_seconds) as response:
            return self.proven.check(place, _metadata_of(response))

    @contextlib.asynccontextmanager
    async def stream(self, place: Place) -> AsyncIterator[FileStream]:
        """Stream a file without verifying it. The caller compares the digest at the end."""
        async with self._streaming(routes.GET_FILE.at(place), timeout_seconds=None) as response:
            yield FileStream(_metadata_of(response), response.content.iter_any())

    async def pull(self, pull: wire.Pull, *, timeout_seconds: float | None = None) -> Published:
        """Make the node fetch a file from another node and publish it."""
        fields = await self._call(
            routes.PULL.target(), wire.render_pull(pull), timeout_seconds=timeout_seconds
        )
        return Published(**fields)

    async def pull_many(
        self, pulls: Sequence[wire.Pull], *, timeout_seconds: float
    ) -> list[NodeError | None]:
        """Make the node fetch small files from one other node; return the error of each, if any."""
        body = batch_wire.render_pulls(pulls)
        rows = await self._call(routes.PULL_MANY.target(), body, timeout_seconds=timeout_seconds)
        return [batch_wire.parse_failure(row) if row else None for row in rows]

    async def fetch_many(self, places: Sequence[Place]) -> list[ReadOutcome]:
        """Return small files without verifying them. The caller compares their digests."""
        body = batch_wire.render_places(places)
        async with self._streaming(
            routes.READ_MANY.target(), body, timeout_seconds=CALL_SECONDS
        ) as response:
            return batch_wire.parse_reads(await response.read())

    async def restore_digest(self, place: Place, digest: str) -> str:
        """Make the node record the digest of a file that has none; return that digest.

        Raises:
            Corrupt: The bytes have another digest than the given one. The node quarantines them.
        """
        target = routes.RESTORE_DIGEST.at(place, digest=digest)
        fields = await self._call(target, timeout_seconds=None)
        return str(fields["sha256"])

    async def quarantine(self, place: Place, *, digest: str) -> bool:
        """Make the node quarantine a file with this digest; return False if it has none."""
        fields = await self._call(routes.QUARANTINE.at(place, digest=digest))
        return bool(fields["path"])

    async def relink(
        self, photo_version: PhotoVersion, version: Version, *, original_only: bool = False
    ) -> tuple[str, ...]:
        """Make the node link every file of a version under another version; return the new paths.

        With `original_only`, it links only the original.
        """
        target = routes.RELINK.target(
            {"only": wire.ORIGINAL_ONLY if original_only else None},
            volume=photo_version.volume,
            photo=photo_version.photo,
            version=photo_version.version,
            new_version=version,
        )
        fields = await self._call(target, timeout_seconds=RELINK_SECONDS_MAX)
        return tuple(fields["paths"])

    async def list_hints(self, mirror: NodeId | None) -> list[HintFile]:
        """Return up to `wire.HINTS_PER_LIST_MAX` hints for a mirror, or for all."""
        target = routes.LIST_HINTS.target({} if mirror is None else {"hint_for": mirror})
        return self.proven.hints(wire.parse_hints(await self._call(target)))

    async def remove_hint(self, place: Place) -> None:
        """Remove a hint after its delivery."""
        await self._call(routes.REMOVE_HINT.at(place))

    async def shard_digests(
        self, volume: VolumeId, sizes: SizeFilter | None = None
    ) -> dict[str, str]:
        """Return the digest of every shard with files, or with files that match a size filter.

        Each request lists a part of what the node does not know.
        """
        target = routes.SHARD_DIGESTS.target(wire.render_size_filter(sizes), volume=volume)
        while True:
            with contextlib.suppress(StillListing):
                digests: dict[str, str] = await self._call(target, timeout_seconds=LISTING_SECONDS)
                return digests

    async def set_cold_tier(self, volume: VolumeId, cold_tier: ColdTier | None) -> None:
        """Record the cold tier of a volume, or that its mirrors store all sizes again."""
        body = render_cold_tier(cold_tier).encode() if cold_tier else b""
        await self._call(routes.SET_COLD_TIER.target(volume=volume), body)

    async def drop_copy(self, place: Place, digest: str) -> None:
        """Drop the node's copy of a file that the cold nodes of its volume store."""
        await self._call(routes.DROP_COPY.at(place, digest=digest))

    async def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """Return the files of a shard, sorted by name."""
        target = routes.LIST_SHARD.target(volume=volume, shard=shard)
        found = await self._call(target, timeout_seconds=LISTING_SECONDS)
        return self.proven.listed(volume, wire.parse_listing(found))

    async def list_shards(
        self, volume: VolumeId, shards: Sequence[str]
    ) -> dict[str, tuple[ListedFile, ...]]:
        """Return the files of several shards."""
        body = json.dumps(list(shards)).encode()
        target = routes.LIST_SHARDS.target(volume=volume)
        found = await self._call(target, body, timeout_seconds=LISTING_SECONDS)
        return {
            shard: self.proven.listed(volume, wire.parse_listing(rows))
            for shard, rows in found.items()
        }

    async def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """Return the files of one photo, without hints."""
        target = routes.LIST_PHOTO.target(volume=volume, photo=photo)
        return self.proven.listed(volume, wire.parse_listing(await self._call(target)))

    async def list_photo_hints(self, volume: VolumeId, photo: PhotoId) -> list[HintFile]:
        """Return the hints of one photo, for any mirror."""
        target = routes.LIST_PHOTO_HINTS.target(volume=volume, photo=photo)
        return self.proven.hints(wire.parse_hints(await self._call(target)))

    async def note_lifting(self, serial: str) -> None:
        """Keep the fence with this serial up, because this storagemaster makes progress with it."""
        await self._call(routes.NOTE_LIFTING.target(serial=serial))

    async def drop_fence(self) -> int:
        """Drop the fence; return the number of volumes that the node serves now."""
        fields = await self._call(routes.DROP_FENCE.target())
        return int(fields["fallen"])

    async def digests(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, str]:
        """Return the recorded digest of each of these files on the node; "" is unverified."""
        digests: dict[PhotoFile, str] = {}
        for start in range(0, len(files), wire.LOOKUP_FILES_MAX):
            batch = wire.render_paths(files[start : start + wire.LOOKUP_FILES_MAX])
            found = await self._call(routes.DIGESTS.target(), batch)
            digests |= {parse_path(path): str(digest) for path, digest in found.items()}
        return self.proven.digests(digests)

    async def infos(self, files: Sequence[Info]) -> dict[Info, bytes]:
        """Return each of these infos that the node has, verified against its digest."""
        async with self._streaming(
            routes.INFOS.target(), wire.render_paths(files), timeout_seconds=CALL_SECONDS
        ) as response:
            bundled = {file.path: file for file in wire.parse_bundle(await response.read())}
        received = {file: bundled.get(render_path(file)) for file in files}
        return {
            file: info.data
            for file, info in received.items()
            if info and hashlib.sha256(info.data).hexdigest() == info.digest
        }

    async def scrub(self, *, start: bool = False) -> dict[str, Any]:
        """Return the scrub progress. With `start`, another pass follows the present one."""
        route = routes.REQUEST_SCRUB if start else routes.SCRUB_PROGRESS
        document: dict[str, Any] = await self._call(route.target())
        return document

    async def find(self, photo: str) -> list[str]:
        """Return every path of a photo on the node, in any area."""
        found: list[str] = await self._call(routes.FIND.target(photo=photo))
        return found

    async def recent(self, *, before: RecentPhoto | None, limit: int) -> list[RecentPhoto]:
        """Return up to `limit` photos that the node stored before another one, latest first."""
        target = routes.RECENT.target({"before": before, "limit": limit})
        return [parse_recent(line) for line in await self._call(target)]

    @contextlib.asynccontextmanager
    async def stream_trashed(self, file: TrashedFile) -> AsyncIterator[FileStream]:
        """Stream a file of the trash without verifying it, as `stream` does."""
        target = routes.GET_TRASHED.target(day=file.day, path=render_path(file.file))
        async with self._streaming(target, timeout_seconds=None) as response:
            yield FileStream(_metadata_of(response), response.content.iter_any())

    async def _write_many(self, files: Sequence[InMemoryFile]) -> list[WriteOutcome]:
        body = batch_wire.render_writes(files)
        rows = await self._call_short(routes.WRITE_MANY.target(), *body, timeout_seconds=None)
        try:
            return batch_wire.parse_outcomes(rows, count=len(files))
        except (TypeError, KeyError) as error:
            raise self._not_a_node(error) from error


async def _hashing(body: AsyncIterator[bytes], hasher: "hashlib._Hash") -> AsyncIterator[bytes]:
    async for chunk in body:
        hasher.update(chunk)
        yield chunk


def _metadata_of(response: aiohttp.ClientResponse) -> FileMetadata:
    try:
        return FileMetadata(
            digest=response.headers[wire.DIGEST_HEADER],
            size_bytes=int(response.headers["Content-Length"]),
            mtime_seconds=int(response.headers[wire.MTIME_HEADER]),
            is_unverified=wire.UNVERIFIED_HEADER in response.headers,
        )
    except (KeyError, ValueError) as error:
        raise Unreachable(f"{response.url} did not respond as a storagenode: {error!r}") from error
