"""What stands for `storagenode.client.NodeClient` in a simulation: the same calls, other wires."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from storagenode.protocol.batch_wire import InMemoryFile, ReadOutcome
from storagenode.protocol.errors import Corrupt, NodeError, Unreachable
from storagenode.protocol.files import FetchedFile, FileMetadata, FileStream, ListedFile, Published
from storagenode.protocol.layout import HintFile, Place, TrashedFile
from storagenode.protocol.wire import HINTS_PER_LIST_MAX, NodeStatus, Pull, render_trailer
from storagenode.transport.signed_requests import CALL_SECONDS, SILENCE_SECONDS
from storagenode.transport.write_batcher import WriteBatcher
from tests.simulation.network import Machine, Network
from tests.simulation.simulated_node import SimulatedNode
from volumes.cluster import NodeId
from volumes.cold_tier import SizeFilter
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import PhotoFile, PhotoVersion, VolumeId

# What a socket holds for a receiver that does not read.
PIECES_IN_FLIGHT_MAX = 4


class NodeLink:
    """One machine's way to one node."""

    def __init__(self, network: Network, source: Machine, node: SimulatedNode) -> None:
        self.url = f"http://{node.node.write}"
        self._network = network
        self._source = source
        self._node = node
        self._writes = WriteBatcher(
            lambda files: self._ask(lambda: self._node.receiver.receive_many(files), None)
        )

    async def status(self, *, timeout_seconds: float = CALL_SECONDS) -> NodeStatus:
        """What the node says of itself."""
        # Not its bound method: the node may be another process by the time it is asked.
        return await self._ask(lambda: self._node.status(), timeout_seconds)  # noqa: PLW0108

    async def put(
        self,
        place: Place,
        body: AsyncIterator[bytes],
        *,
        mtime_seconds: int,
        bytes_total: int | None,
        digest: Callable[[], str] | None = None,
    ) -> Published:
        """Stream a file to a place."""
        del bytes_total
        assert digest is not None, "bodies are hashed by who sends them"
        pipe = _Pipe(self._network, self._source.name, self._node)
        asking = asyncio.ensure_future(
            self._network.ask(
                self._source,
                self._node,
                lambda: self._node.take(place, pipe.chunks(), mtime_seconds),
                timeout_seconds=None,
                only_once=True,
            )
        )
        try:
            async for chunk in body:
                if chunk:
                    await self._feed(pipe, chunk, asking)
            await self._feed(pipe, render_trailer(digest()), asking)
            await self._feed(pipe, None, asking)
            return await asking
        except BaseException:
            pipe.break_off()
            raise
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def put_whole(
        self, place: Place, data: bytes, *, mtime_seconds: int, digest: str
    ) -> Published:
        """Send a small file in one piece."""
        return await self._writes.put(InMemoryFile(place, data, digest, mtime_seconds))

    async def _feed(
        self, pipe: "_Pipe", chunk: bytes | None, asking: "asyncio.Future[Any]"
    ) -> None:
        """Send a piece, unless the node has answered meanwhile."""
        if asking.done():
            return
        if pipe.offer(chunk):
            return
        sending = asyncio.ensure_future(pipe.send(chunk))
        try:
            await asyncio.wait((sending, asking), return_when=asyncio.FIRST_COMPLETED)
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
        await self._ask(
            lambda: self._node.take_bundle(body, hint_for, mtime_seconds), timeout_seconds
        )

    async def write_tombstone(
        self, place: Place, *, mtime_seconds: int, timeout_seconds: float = CALL_SECONDS
    ) -> None:
        """Write a tombstone."""
        await self._ask(
            lambda: self._node.store.write_tombstone(place, mtime_seconds=mtime_seconds),
            timeout_seconds,
        )

    async def fetch(self, place: Place, *, timeout_seconds: float = CALL_SECONDS) -> FetchedFile:
        """A whole file, verified here."""
        note, data = await self._ask(lambda: self._node.send(place), timeout_seconds)
        if hashlib.sha256(data).hexdigest() != note.digest:
            raise Corrupt(f"{place} does not have SHA-256 {note.digest}")
        return FetchedFile(data, note)

    async def stat(self, place: Place, *, timeout_seconds: float = CALL_SECONDS) -> FileMetadata:
        """What is noted of a file."""
        return await self._ask(lambda: self._node.note_of(place), timeout_seconds)

    @contextlib.asynccontextmanager
    async def stream(self, place: Place) -> AsyncIterator[FileStream]:
        """A file piece by piece, not verified."""
        note, data = await self._ask(lambda: self._node.send(place), SILENCE_SECONDS)
        yield FileStream(note, self._arriving(data))

    @contextlib.asynccontextmanager
    async def stream_trashed(self, file: TrashedFile) -> AsyncIterator[FileStream]:
        """A file of the trash piece by piece, not verified."""
        note, data = await self._ask(lambda: self._node.send_trashed(file), SILENCE_SECONDS)
        yield FileStream(note, self._arriving(data))

    async def pull(self, pull: Pull, *, timeout_seconds: float | None = None) -> Published:
        """Have the node fetch a file from another."""
        return await self._ask(lambda: self._node.pull(pull), timeout_seconds)

    async def restore_digest(self, place: Place, digest: str) -> str:
        """Have the node note a digest."""
        return await self._ask(lambda: self._node.store.restore_digest(place, digest), None)

    async def relink(
        self, photo_version: PhotoVersion, version: Version, *, original_only: bool = False
    ) -> tuple[str, ...]:
        """Have the node link a version under another."""
        return await self._ask(
            lambda: self._node.store.relink(photo_version, version, original_only=original_only)
        )

    async def quarantine(self, place: Place) -> None:
        """Have the node set a file aside."""
        await self._ask(lambda: self._node.store.quarantine(place))

    async def list_hints(self, home: NodeId) -> list[HintFile]:
        """Files the node holds for another."""
        return await self._ask(lambda: self._node.store.list_hints(HINTS_PER_LIST_MAX, mirror=home))

    async def remove_hint(self, place: Place) -> None:
        """Let go of a file that was held for a node."""
        await self._ask(lambda: self._node.store.remove_hint(place))

    async def shard_digests(
        self, volume: VolumeId, part: SizeFilter | None = None
    ) -> dict[str, str]:
        """A digest of every shard that has files."""
        return await self._ask(lambda: self._node.store.shard_digests(volume, part))

    async def list_shards(
        self, volume: VolumeId, shards: Sequence[str]
    ) -> dict[str, tuple[ListedFile, ...]]:
        """The files of several shards."""
        return await self._ask(
            lambda: {shard: self._node.store.list_shard(volume, shard) for shard in shards}
        )

    async def digests(self, files: Sequence[PhotoFile]) -> dict[PhotoFile, str]:
        """The digests of those of these files that are at home on the node."""
        return await self._ask(lambda: self._node.store.digests(files))

    async def tombstones(self, volume: VolumeId) -> set[str]:
        """The names of all tombstones of a volume."""
        return set(await self._ask(lambda: self._node.store.tombstones(volume)))

    async def lift_fence(self, volume: VolumeId, serial: str) -> None:
        """Tell the node that it has heard of all tombstones there were when it was away."""
        await self._ask(lambda: self._node.fence.lift(volume, serial=serial))

    async def pull_many(
        self, pulls: Sequence[Pull], *, timeout_seconds: float
    ) -> list[NodeError | None]:
        """Have the node fetch small files from another."""
        return await self._ask(lambda: self._node.puller.pull_many(pulls), timeout_seconds)

    async def fetch_many(self, places: Sequence[Place]) -> list[ReadOutcome]:
        """Small files at once, not verified."""
        return await self._ask(lambda: self._node.send_many(places))

    async def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """The files of a shard."""
        return await self._ask(lambda: self._node.store.list_shard(volume, shard))

    async def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """The files of one photo."""
        return await self._ask(lambda: self._node.store.list_photo(volume, photo))

    async def find(self, photo: str) -> list[str]:
        """Every path of a photo on the node."""
        return await self._ask(lambda: self._node.store.find(photo))

    async def list_trash(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """What the node's trash has of a photo."""
        return await self._ask(lambda: self._node.list_trash(volume, photo))

    async def read(self, url_path: str, *, timeout_seconds: float) -> Any:
        """What the read port answers."""
        return await self._ask(lambda: self._node.read(url_path), timeout_seconds)

    async def _ask(
        self, work: Callable[[], Any], timeout_seconds: float | None = CALL_SECONDS
    ) -> Any:
        return await self._network.ask(
            self._source, self._node, work, timeout_seconds=timeout_seconds
        )

    async def _arriving(self, data: bytes) -> AsyncIterator[bytes]:
        """A body on its way here, which may break off or be garbled."""
        network, link = self._network, (self._node.name, self._source.name)
        half = len(data) // 2
        yield data[:half]
        if network.happens(network.conditions.reset, link) or network.is_cut(*link):
            raise Unreachable(f"{self._node.name}: connection reset in the middle")
        rest = data[half:]
        if network.happens(network.conditions.garbled, link):
            rest = rest[:-1] + bytes([rest[-1] ^ 1])
        yield rest


class _Pipe:
    """The body of one PUT, between the machine that sends and the node that reads."""

    def __init__(self, network: Network, source: str, node: SimulatedNode) -> None:
        self._network = network
        self._node = node
        self._link = (source, node.name)
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(PIECES_IN_FLIGHT_MAX)
        self._is_broken = False
        self._has_ended = False

    def offer(self, chunk: bytes | None) -> bool:
        """Whether there was room for the piece."""
        network = self._network
        if network.happens(network.conditions.reset, self._link):
            raise Unreachable(f"{self._node.name}: connection reset in the middle")
        if chunk and network.happens(network.conditions.garbled, self._link):
            chunk = bytes([chunk[0] ^ 1]) + chunk[1:]
        if network.is_cut(*self._link) or self._chunks.full():
            return False
        self._put(chunk)
        return True

    async def send(self, chunk: bytes | None) -> None:
        """Wait for room. On a cut link there is none until the sender gives up."""
        while self._network.is_cut(*self._link):  # noqa: ASYNC110 - links tell nobody
            await asyncio.sleep(0.2)
        await self._chunks.put(chunk)
        self._has_ended = self._has_ended or chunk is None

    def _put(self, chunk: bytes | None) -> None:
        self._chunks.put_nowait(chunk)
        self._has_ended = self._has_ended or chunk is None

    def break_off(self) -> None:
        """The connection is gone; what was sent to its end arrives nevertheless."""
        if not self._has_ended:
            self._is_broken = True
            while not self._chunks.empty():
                self._chunks.get_nowait()
            self._chunks.put_nowait(None)

    async def chunks(self) -> AsyncIterator[bytes]:
        """What the node reads."""
        while True:
            chunk = await self._chunks.get()
            await self._node.wait_until_thawed()
            if self._is_broken:
                raise ConnectionResetError("the sender is gone")
            if chunk is None:
                return
            yield chunk
