"""Link to a simulated node: the calls of `NodeClient`, over the simulated network."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from storagenode.protocol.audit_log import AuditFile
from storagenode.protocol.batch_wire import InMemoryFile, ReadOutcome
from storagenode.protocol.errors import Corrupt, NodeError, Unreachable
from storagenode.protocol.files import (
    FetchedFile,
    FileMetadata,
    FileStream,
    ListedFile,
    Published,
)
from storagenode.protocol.layout import HintFile, Place, TrashedFile
from storagenode.protocol.maps import MapKind
from storagenode.protocol.partials import Partial
from storagenode.protocol.wire import HINTS_PER_LIST_MAX, NodeStatus, Pull, render_trailer
from storagenode.transport.proven_tombstones import ProvenTombstones
from storagenode.transport.signed_requests import CALL_SECONDS, SILENCE_SECONDS
from storagenode.transport.write_batcher import WriteBatcher
from tests.simulation.network import Machine, Network
from tests.simulation.pipe import Pipe
from tests.simulation.simulated_node import SimulatedNode
from tests.simulation.volume_link import VolumeLink
from volumes.cluster import NodeId
from volumes.cold_tier import SizeFilter
from volumes.photo_id import PhotoId
from volumes.photo_path import Info, PhotoFile, PhotoVersion, VolumeId, volume_of

STORE_CALLS = frozenset(
    {
        "find",
        "quarantine",
        "relink",
        "remove_hint",
    }
)
"""Methods that `NodeClient` and the store of a node share."""
PARTIAL_CALLS = {
    "create_partial": "create",
    "partial_digest": "digest",
    "partial_length": "length",
    "publish_partial": "publish",
    "remove_partials": "remove_all",
}
"""Methods of `NodeClient`, each with the method of the node's partial uploads that it calls."""


class NodeLink(VolumeLink):
    """Link from a machine to a node."""

    def __init__(self, network: Network, source: Machine, node: SimulatedNode) -> None:
        self.url = f"http://{node.node.write}"
        self._network = network
        self._source = source
        self._node = node
        self._proven = ProvenTombstones(
            node.name, node.keys, monotonic_seconds=asyncio.get_running_loop().time
        )
        self._writes = WriteBatcher(
            lambda files: self._request(lambda: self._node.receiver.receive_many(files), None)
        )

    async def status(self, *, timeout_seconds: float = CALL_SECONDS) -> NodeStatus:
        """Return the status of the node."""
        # Look up the method on arrival: the node may have restarted by then.
        return await self._request(lambda: self._node.status(), timeout_seconds)  # noqa: PLW0108

    async def put(
        self,
        place: Place,
        body: AsyncIterator[bytes],
        *,
        mtime_seconds: int,
        bytes_total: int | None,
        digest: Callable[[], str] | None = None,
    ) -> Published:
        """Stream a file to the node."""
        del bytes_total
        assert digest is not None, "the sender hashes bodies"
        return await self._stream(
            body, digest, lambda chunks: self._node.take(place, chunks, mtime_seconds)
        )

    async def append_partial(
        self,
        partial: Partial,
        body: AsyncIterator[bytes],
        *,
        offset: int,
        mtime_seconds: int,
        bytes_total: int | None,
        digest: Callable[[], str],
    ) -> int:
        """Stream an append to the node."""
        del bytes_total
        return await self._stream(
            body, digest, lambda chunks: self._node.append(partial, chunks, offset, mtime_seconds)
        )

    async def read_partial(self, partial: Partial, *, offset: int) -> bytes:
        """Return bytes of a partial upload."""
        return await self._request(
            lambda: self._node.partials.read(partial, offset=offset, bytes_max=10_000)
        )

    async def _stream(
        self,
        body: AsyncIterator[bytes],
        digest: Callable[[], str],
        receive: Callable[[AsyncIterator[bytes]], Any],
    ) -> Any:
        """Send a body with its trailer."""
        pipe = Pipe(self._network, self._source.name, self._node)
        request = asyncio.ensure_future(
            self._network.request(
                self._source,
                self._node,
                lambda: receive(pipe.chunks()),
                timeout_seconds=None,
                only_once=True,
            )
        )
        try:
            async for chunk in body:
                if chunk:
                    await self._feed(pipe, chunk, request)
            await self._feed(pipe, render_trailer(digest()), request)
            await self._feed(pipe, None, request)
            return await request
        except BaseException:
            pipe.break_off()
            raise
        finally:
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)

    async def put_whole(
        self, place: Place, data: bytes, *, mtime_seconds: int, digest: str
    ) -> Published:
        """Send a small file in one request."""
        return await self._writes.put(InMemoryFile(place, data, digest, mtime_seconds))

    async def _feed(self, pipe: Pipe, chunk: bytes | None, request: "asyncio.Future[Any]") -> None:
        """Send a chunk, unless the node has responded already."""
        if request.done():
            return
        if pipe.offer(chunk):
            return
        sending = asyncio.ensure_future(pipe.send(chunk))
        try:
            await asyncio.wait((sending, request), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def put_bundle(
        self,
        photo_version: PhotoVersion,
        body: bytes,
        *,
        hint_for: NodeId | None,
        mtime_seconds: int,
        timeout_seconds: float = CALL_SECONDS,
    ) -> None:
        """Publish the sizes of a version."""
        del photo_version
        await self._request(
            lambda: self._node.take_bundle(body, hint_for, mtime_seconds), timeout_seconds
        )

    async def write_tombstone(
        self,
        place: Place,
        *,
        mtime_seconds: int,
        map_version: int | None = None,
        timeout_seconds: float = CALL_SECONDS,
    ) -> None:
        """Write a tombstone."""

        def write() -> object:
            self._node.maps.refuse_outdated(volume_of(place.file), map_version)
            return self._node.store.write_tombstone(
                place, mtime_seconds=mtime_seconds, proof=self._proven.sign(place)
            )

        await self._request(write, timeout_seconds)

    async def keep_map(self, kind: MapKind, version: int, signed: bytes) -> None:
        """Make the node vote for a map, or follow a map in force."""
        await self._request(lambda: self._node.maps.keep(kind, version, signed))

    async def drop_volume(self, volume: VolumeId, *, digest: str, map_version: int) -> None:
        """Make the node drop a volume that its map gives to other nodes."""

        def drop() -> None:
            self._node.maps.refuse_other_map(map_version)
            self._node.store.drop_volume(volume, digest)

        await self._request(drop)

    async def read_map(self, kind: MapKind, version: int) -> bytes:
        """Return a signed map that the node keeps."""
        return await self._request(lambda: self._node.maps.read(kind, version))

    async def fetch(self, place: Place, *, timeout_seconds: float = CALL_SECONDS) -> FetchedFile:
        """Return a file, and verify its digest."""
        metadata, data = await self._request(lambda: self._node.send(place), timeout_seconds)
        metadata.refuse_unverified(place)
        if hashlib.sha256(data).hexdigest() != metadata.digest:
            raise Corrupt(f"{place} does not have SHA-256 {metadata.digest}")
        return FetchedFile(data, metadata)

    async def stat(self, place: Place, *, timeout_seconds: float = CALL_SECONDS) -> FileMetadata:
        """Return the metadata of a file."""
        metadata = await self._request(lambda: self._node.stat(place), timeout_seconds)
        return self._proven.check(place, metadata)

    @contextlib.asynccontextmanager
    async def stream(self, place: Place) -> AsyncIterator[FileStream]:
        """Yield a stream of a file, not verified."""
        metadata, data = await self._request(lambda: self._node.send(place), SILENCE_SECONDS)
        yield FileStream(metadata, self._receive(data))

    @contextlib.asynccontextmanager
    async def stream_trashed(self, file: TrashedFile) -> AsyncIterator[FileStream]:
        """Yield a stream of a file in the trash, not verified."""
        metadata, data = await self._request(lambda: self._node.send_trashed(file), SILENCE_SECONDS)
        yield FileStream(metadata, self._receive(data))

    async def pull(self, pull: Pull, *, timeout_seconds: float | None = None) -> Published:
        """Request that the node fetches a file from another node."""
        return await self._request(lambda: self._node.pull(pull), timeout_seconds)

    async def restore_digest(self, place: Place, digest: str) -> str:
        """Restore a digest."""
        return await self._request(lambda: self._node.store.restore_digest(place, digest), None)

    async def list_hints(self, mirror: NodeId | None) -> list[HintFile]:
        """Return the hints of the node for a mirror, or for all."""
        return self._proven.hints(
            await self._request(
                lambda: self._node.store.list_hints(HINTS_PER_LIST_MAX, mirror=mirror)
            )
        )

    async def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """Return the files of a shard."""
        listed = await self._request(lambda: self._node.store.list_shard(volume, shard))
        return self._proven.listed(volume, listed)

    async def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """Return the files of a photo."""
        listed = await self._request(lambda: self._node.store.list_photo(volume, photo))
        return self._proven.listed(volume, listed)

    async def list_photo_hints(self, volume: VolumeId, photo: PhotoId) -> list[HintFile]:
        """Return the hints of a photo."""
        hints = await self._request(lambda: self._node.store.list_photo_hints(volume, photo))
        return self._proven.hints(hints)

    async def digests(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, str]:
        """Return the recorded digests of files."""
        return self._proven.digests(await self._request(lambda: self._node.store.digests(files)))

    async def infos(self, files: Sequence[Info]) -> dict[Info, bytes]:
        """Return the sound infos among these files."""
        found = await self._request(lambda: self._node.store.read_all(files))
        return {
            file: data
            for file, (data, digest) in found.items()
            if hashlib.sha256(data).hexdigest() == digest
        }

    async def list_shards(
        self, volume: VolumeId, shards: Sequence[str]
    ) -> dict[str, tuple[ListedFile, ...]]:
        """Return the files of several shards."""
        found = await self._request(
            lambda: {shard: self._node.store.list_shard(volume, shard) for shard in shards}
        )
        return {shard: self._proven.listed(volume, files) for shard, files in found.items()}

    async def shard_digests(
        self, volume: VolumeId, sizes: SizeFilter | None = None
    ) -> dict[str, str]:
        """Return the digest of every shard."""
        return await self._request(lambda: self._node.store.shard_digests(volume, sizes))

    async def note_lifting(self, serial: str) -> None:
        """Keep the fence up."""
        await self._request(lambda: self._node.fence.note_progress(serial=serial))

    async def pull_many(
        self, pulls: Sequence[Pull], *, timeout_seconds: float
    ) -> list[NodeError | None]:
        """Request that the node fetches small files from another node."""
        return await self._request(lambda: self._node.puller.pull_many(pulls), timeout_seconds)

    async def fetch_many(self, places: Sequence[Place]) -> list[ReadOutcome]:
        """Return small files, not verified."""
        return await self._request(lambda: self._node.send_many(places))

    async def list_trash(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """Return the files of a photo in the node's trash."""
        return await self._request(lambda: self._node.list_trash(volume, photo))

    async def append_audit(self, file: AuditFile, lines: bytes) -> None:
        """Append lines to the audit log."""
        await self._request(lambda: self._node.audit_files.append(file, lines))

    async def read(self, url_path: str, *, timeout_seconds: float) -> Any:
        """Return the response of the read port."""
        return await self._request(lambda: self._node.read(url_path), timeout_seconds)

    def __getattr__(self, name: str) -> Any:
        """Return a call on the node's store, or on its partial uploads."""
        if name not in STORE_CALLS | PARTIAL_CALLS.keys():
            raise AttributeError(name)

        def owner() -> Any:
            return self._node.store if name in STORE_CALLS else self._node.partials

        async def call(*arguments: Any, **options: Any) -> Any:
            method = PARTIAL_CALLS.get(name, name)
            return await self._request(lambda: getattr(owner(), method)(*arguments, **options))

        return call

    async def _request(
        self, work: Callable[[], Any], timeout_seconds: float | None = CALL_SECONDS
    ) -> Any:
        return await self._network.request(
            self._source, self._node, work, timeout_seconds=timeout_seconds
        )

    async def _receive(self, data: bytes) -> AsyncIterator[bytes]:
        """Yield a body, which may be reset or corrupted on its way."""
        network, link = self._network, (self._node.name, self._source.name)
        half = len(data) // 2
        yield data[:half]
        if network.occurs(network.conditions.reset, link) or network.is_cut(*link):
            raise Unreachable(f"{self._node.name}: connection reset in the middle")
        rest = data[half:]
        if network.occurs(network.conditions.garbled, link):
            rest = rest[:-1] + bytes([rest[-1] ^ 1])
        yield rest
