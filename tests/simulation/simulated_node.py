"""A storage node: the real store, receiver, puller and reads over a disk that crashes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

from aiohttp import web

from permission_urls import InternalVerifier, KeyRing, Verifier
from storagenode.disk.marker import NodeMarker
from storagenode.disk.reading import open_file
from storagenode.disk.store import DiskStore
from storagenode.disk.trash import trashed_files
from storagenode.open_file import CHUNK_BYTES
from storagenode.protocol import wire
from storagenode.protocol.batch_wire import ReadFile, ReadOutcome
from storagenode.protocol.errors import InvalidSignature, NodeError
from storagenode.protocol.files import FileMetadata, Published
from storagenode.protocol.layout import Place, TrashedFile
from storagenode.protocol.wire import Pull
from storagenode.read_port.read_api import ReadApi
from storagenode.upkeep.fence import TICK_SECONDS, Fence
from storagenode.write_port.pulling import Puller
from storagenode.write_port.receiving import Receiver
from storagenode.write_port.write_api import WriteApi
from tests.simulation.network import Machine
from tests.simulation.simulated_disk import SimulatedDisk
from volumes.cluster import Cluster, Node
from volumes.photo_id import PhotoId
from volumes.photo_path import VolumeId, parse_path
from volumes.sizes import size_classes


class Threads:
    """The threads of a node, which are as slow as its disk."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.seconds_max = 0.006

    def delay_seconds(self) -> float:
        """How late the next answer is."""
        lateness = self._random.random() - 0.7
        return max(0.0, lateness) * self.seconds_max


class SimulatedNode(Machine):
    """One node, which crashes and starts again over what is left of its disk."""

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
        client_of: Callable[[Machine, str], Any],
    ) -> None:
        super().__init__(node.id)
        self.node = node
        self.disk = disk
        self.threads = Threads(random)
        self.backup = disk.image()
        self.damaged_at = -1.0
        """When a copy was last lost here that the node had told of."""
        self._cluster = cluster
        self._keys = keys
        self._random = random
        self._now_seconds = now_seconds
        self._client_of = client_of

    def start(self) -> None:
        """A process begins over the disk."""
        self.disk = self.disk.for_next_process()
        self.store = DiskStore(self.disk, now_seconds=self._now_seconds)
        for volume in self._cluster.volumes_on(self.node.id):
            self.store.create_volume(volume)
        clock = asyncio.get_running_loop().time
        self.receiver = Receiver(self.store, self.threads)  # type: ignore[arg-type]
        self.puller = Puller(
            self.store,
            self.receiver,
            lambda url: self._client_of(self, url),
            self.threads,  # type: ignore[arg-type]
        )
        self.fence = Fence(self.store.volumes, clock=clock)
        marker = NodeMarker(uuid=self.node.id, id=self.node.id, colo=self.node.colo)
        api = WriteApi(
            self.store,
            marker,
            InternalVerifier(self._keys),
            self.puller,
            None,  # type: ignore[arg-type]
            self.fence,
            self.threads,  # type: ignore[arg-type]
            boot=str(self.boot),
            now_seconds=self._now_seconds,
        )
        self.status = api._status
        self._reads = ReadApi(
            self.store,
            Verifier(self._keys, size_classes(self._cluster.sizes)),
            self.fence,
            self.threads,  # type: ignore[arg-type]
            now_seconds=self._now_seconds,
        )
        self.is_up = True
        self.is_dark = False
        self.go_on_with(self._beat())

    async def _beat(self) -> None:
        while True:
            await self.wait_until_thawed()
            self.fence.tick()
            await asyncio.sleep(TICK_SECONDS)

    def kill(self) -> None:
        """The process ends; what it has written is still there."""
        self.end_process()
        self.disk.is_off = True

    def lose_power(self, *, dark: bool) -> None:
        """The machine ends, and with it what was not fsynced."""
        self.end_process()
        self.is_dark = dark
        self.disk.lose_power(self._random)
        self.disk.is_off = True

    def power_was_cut(self) -> None:
        """The disk went off in the middle of a change."""
        if self.is_up and self.disk.is_off:
            self.lose_power(dark=self._random.random() < 0.5)

    # What follows is what the write port does with a request.

    async def take(self, place: Place, chunks: AsyncIterator[bytes], mtime_seconds: int) -> Any:
        """Publish a streamed body."""
        return await self.receiver.receive(
            chunks,
            place,
            mtime_seconds=mtime_seconds,
            bytes_expected=0,
            check_trailer=_refuse_other_digest,
        )

    def send(self, place: Place) -> tuple[FileMetadata, bytes]:
        """A file as it is on the disk, not verified."""
        if place.hint_for is None:
            self.store.raise_if_deleted(place.file)
        return self._read(place.path)

    def send_many(self, places: Sequence[Place]) -> list[ReadOutcome]:
        """Several files, not verified; why one cannot be sent stands in its place."""

        def one(place: Place) -> ReadOutcome:
            try:
                note, data = self.send(place)
            except NodeError as error:
                return error
            return ReadFile(data, note.mtime_seconds)

        return [one(place) for place in places]

    def send_trashed(self, file: TrashedFile) -> tuple[FileMetadata, bytes]:
        """A file of the trash, not verified."""
        return self._read(file.path)

    def list_trash(self, volume: VolumeId, photo: PhotoId) -> list[TrashedFile]:
        """What the trash has of a photo."""
        return trashed_files(self.disk, volume, photo)

    def note_of(self, place: Place) -> FileMetadata:
        """What is noted of a file."""
        return self.send(place)[0]

    def take_bundle(self, body: bytes, hint_for: Any, mtime_seconds: int) -> None:
        """Publish sizes."""
        files = [
            (Place(parse_path(file.path), hint_for), file.data, file.digest)
            for file in wire.parse_bundle(body)
        ]
        self.store.publish_bundle(files, mtime_seconds=mtime_seconds)

    async def pull(self, pull: Pull) -> Published:
        """Fetch from another node."""
        return await self.puller.pull(wire.parse_pull(wire.render_pull(pull)))

    async def read(self, url_path: str) -> web.StreamResponse:
        """What the read port answers to a browser or an edge."""
        request: Any = SimpleNamespace(
            method="GET", raw_path=url_path, headers={}, body_exists=False
        )
        return await self._reads.respond(request)

    def _read(self, path: str) -> tuple[FileMetadata, bytes]:
        file = open_file(self.disk, path)
        try:
            digest = file.digest or file.compute_digest()
            metadata = FileMetadata(digest, file.stat.bytes, file.stat.mtime_seconds)
            return metadata, self.disk.read_at(file.handle, 0, CHUNK_BYTES)
        finally:
            self.disk.close(file.handle)


def _refuse_other_digest(closing: str, digest: str) -> None:
    if closing != digest:
        raise InvalidSignature("the closing signature is not of these bytes")
