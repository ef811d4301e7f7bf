"""A node: the real store, receiver, puller, and reads over a simulated disk."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

from aiohttp import web

from permission_urls import InternalVerifier, KeyRing, TombstoneProofs, Verifier
from storagenode.disk.audit_files import AuditFiles
from storagenode.disk.lifecycle.trash import trashed_files
from storagenode.disk.map_files import MapFiles
from storagenode.disk.marker import NodeMarker
from storagenode.disk.reading import open_file
from storagenode.disk.store import DiskStore
from storagenode.open_file import CHUNK_BYTES
from storagenode.partials.partials import Partials
from storagenode.protocol import wire
from storagenode.protocol.batch_wire import ReadFile, ReadOutcome
from storagenode.protocol.errors import InvalidSignature, NodeError
from storagenode.protocol.files import FileMetadata, Published
from storagenode.protocol.layout import Place, TrashedFile
from storagenode.protocol.partials import Partial
from storagenode.protocol.wire import Pull
from storagenode.read_port.buffered_response import BufferedResponse
from storagenode.read_port.read_api import ReadApi
from storagenode.upkeep.fence import TICK_SECONDS, Fence
from storagenode.upkeep.node_maps import NodeMaps, follow_map
from storagenode.upkeep.recent_photos import RecentPhotos
from storagenode.write_port.move_throttle import MoveThrottle
from storagenode.write_port.pulling import Puller
from storagenode.write_port.receiving import Receiver
from storagenode.write_port.write_api import WriteApi
from tests.simulation.network import Machine
from tests.simulation.simulated_disk import PowerLost, SimulatedDisk
from volumes.cluster import Cluster, Node, NodeId
from volumes.photo_id import PhotoId
from volumes.photo_path import VolumeId, parse_path
from volumes.sizes import size_classes

FENCE = web.ResponseKey("fence", str)
FENCE_SECONDS = 10.0
# Far more often than a real node, so that restarts use summaries of many moments.
SAVE_SECONDS = 0.7
FINISH_DELETES_SECONDS = 1.0


class Threads:
    """The threads of a node, as slow as its disk."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.seconds_max = 0.006

    def delay_seconds(self) -> float:
        """Return the delay of the next result."""
        lateness = self._random.random() - 0.7
        return max(0.0, lateness) * self.seconds_max


class SimulatedNode(Machine):
    """A node that can crash and restart over its disk."""

    store: DiskStore

    def __init__(
        self,
        cluster: Cluster,
        node: Node,
        keys: KeyRing,
        disk: SimulatedDisk,
        random: Random,
        *,
        now_seconds: Callable[[], float],
        client_of: Callable[[Machine, NodeId], Any],
    ) -> None:
        super().__init__(node.id)
        self.node = node
        self.disk = disk
        self.threads = Threads(random)
        self.backup = disk.image()
        self.damaged_at = -1.0
        """Virtual time at which a fault last destroyed a copy on this node."""
        self._cluster = cluster
        self.keys = keys
        self._random = random
        self._now_seconds = now_seconds
        self._client_of = client_of

    def start(self) -> None:
        """Start a process over the disk."""
        self.disk = self.disk.for_next_process()
        # Half of the nodes have a disk of their own.
        may_sync_disk = self.node.id.endswith("1")
        self.store = DiskStore(
            self.disk,
            TombstoneProofs(self.keys),
            may_sync_disk=may_sync_disk,
            now_seconds=self._now_seconds,
        )
        self.audit_files = AuditFiles(self.store)
        self.maps = NodeMaps(self._cluster, self.node.id, MapFiles(self.store), self.keys)
        clock = asyncio.get_running_loop().time
        self.receiver = Receiver(self.store, self.threads)  # type: ignore[arg-type]
        self.puller = Puller(
            self.store,
            self.receiver,
            lambda source, _: self._client_of(self, source),
            self.threads,  # type: ignore[arg-type]
            throttle=MoveThrottle(self._cluster.limits.move_bytes_per_second),
        )
        self.fence = Fence((), falls_after_seconds=FENCE_SECONDS, clock=clock)
        follow_map(self.store, self.fence, self.maps)
        self.partials = Partials(self.store, now_seconds=self._now_seconds)
        marker = NodeMarker(uuid=self.node.id, id=self.node.id, colo=self.node.colo)
        api = WriteApi(
            self.store,
            marker,
            InternalVerifier(self.keys, receiver=self.node.id),
            self.puller,
            SimpleNamespace(status_fields=dict),  # type: ignore[arg-type]
            self.fence,
            self.threads,  # type: ignore[arg-type]
            self.threads,  # type: ignore[arg-type]
            partials=self.partials,
            audit_files=self.audit_files,
            recent=RecentPhotos(None),
            maps=self.maps,
            abort_responses=lambda _: 0,
            metrics=None,  # type: ignore[arg-type]
            boot=str(self.boot),
            now_seconds=self._now_seconds,
        )
        self.status = api._status
        self._reads = ReadApi(
            self.store,
            Verifier(self.keys, size_classes(self._cluster.sizes)),
            self.fence,
            self.threads,  # type: ignore[arg-type]
            now_seconds=self._now_seconds,
        )
        self.is_up = True
        self.is_dark = False
        self.run_task(self._tick_fence())
        self.run_task(self._repeat(SAVE_SECONDS, self.store.save_summaries))
        self.run_task(self._repeat(FINISH_DELETES_SECONDS, self.store.finish_deletes))

    async def _tick_fence(self) -> None:
        while True:
            await self.wait_until_running()
            self.fence.tick()
            await asyncio.sleep(TICK_SECONDS)

    async def _repeat(self, pause_seconds: float, work: Callable[[], object]) -> None:
        """Repeat a work of the node's upkeep."""
        while True:
            await asyncio.sleep(pause_seconds)
            await self.wait_until_running()
            try:
                work()
            except PowerLost:
                self.power_was_cut()
            except (NodeError, OSError):
                pass

    def kill(self) -> None:
        """Kill the process; its writes stay."""
        self.end_process()
        self.disk.is_off = True

    def lose_power(self, *, dark: bool) -> None:
        """Power off; writes without fsync may be lost."""
        self.end_process()
        self.is_dark = dark
        self.disk.lose_power(self._random)
        self.disk.is_off = True

    def power_was_cut(self) -> None:
        """Power off after the disk was cut in the middle of a change."""
        if self.is_up and self.disk.is_off:
            self.lose_power(dark=self._random.random() < 0.5)

    # The operations of the write port.

    async def take(self, place: Place, chunks: AsyncIterator[bytes], mtime_seconds: int) -> Any:
        """Publish a streamed file."""
        return await self.receiver.receive(
            chunks,
            place,
            mtime_seconds=mtime_seconds,
            bytes_expected=0,
            check_trailer=_check_trailer,
        )

    async def append(
        self, partial: Partial, chunks: AsyncIterator[bytes], offset: int, mtime_seconds: int
    ) -> int:
        """Append a streamed body to a partial upload."""
        return await self.receiver.receive_into(
            chunks,
            lambda: self.partials.staging(partial, offset=offset, bytes_expected=0),
            lambda file, digest: self.partials.append(
                file, partial, offset=offset, mtime_seconds=mtime_seconds, digest=digest
            ),
            check_trailer=_check_trailer,
        )

    def send(self, place: Place) -> tuple[FileMetadata, bytes]:
        """Return a file as it is on the disk, not verified."""
        if place.hint_for is None:
            self.store.raise_if_deleted(place.file)
        return self._read(place.path)

    def send_many(self, places: Sequence[Place]) -> list[ReadOutcome]:
        """Return several files, not verified, or the error of each."""

        def one(place: Place) -> ReadOutcome:
            try:
                metadata, data = self.send(place)
            except NodeError as error:
                return error
            return ReadFile(data, metadata.mtime_seconds)

        return [one(place) for place in places]

    def send_trashed(self, file: TrashedFile) -> tuple[FileMetadata, bytes]:
        """Return a file of the trash, not verified."""
        return self._read(file.path)

    def list_trash(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """Return the files of a photo in the trash."""
        return trashed_files(self.disk, volume, photo)

    def stat(self, place: Place) -> FileMetadata:
        """Return the metadata of a file."""
        return self.send(place)[0]

    def take_bundle(self, body: bytes, hint_for: Any, mtime_seconds: int) -> None:
        """Publish a bundle of sizes."""
        files = [
            (Place(parse_path(file.path), hint_for), file.data, file.digest)
            for file in wire.parse_bundle(body)
        ]
        self.store.publish_bundle(files, mtime_seconds=mtime_seconds)

    async def pull(self, pull: Pull) -> Published:
        """Fetch a file from another node."""
        return await self.puller.pull(wire.parse_pull(wire.render_pull(pull)))

    async def read(self, url_path: str) -> web.StreamResponse:
        """Return the response of the read port to a plain GET, on the path that an edge gets.

        `response[FENCE]` is the serial of the fence that the whole read met, or empty.
        """
        volume = VolumeId(int(url_path.split("/")[1]))
        serial = self.fence.serial if self.fence.is_fenced(volume) else ""
        if fast := self._reads.try_fast_path(url_path.encode()):
            response: web.StreamResponse = BufferedResponse(status=200, headers={}, body=fast[1])
        else:
            request: Any = SimpleNamespace(
                method="GET", raw_path=url_path, headers={}, body_exists=False
            )
            response = await self._reads.respond(request)
        response[FENCE] = serial if self.fence.is_fenced(volume) else ""
        return response

    def _read(self, path: str) -> tuple[FileMetadata, bytes]:
        file = open_file(self.disk, path)
        try:
            digest = file.digest or file.compute_digest()
            metadata = FileMetadata(
                digest,
                file.stat.bytes,
                file.stat.mtime_seconds,
                is_unverified=not file.digest,
            )
            return metadata, self.disk.read_at(file.handle, 0, CHUNK_BYTES)
        finally:
            self.disk.close(file.handle)


def _check_trailer(closing: str, digest: str) -> None:
    if closing != digest:
        raise InvalidSignature("the trailer has another digest")
