"""A small cluster with edge-like reads, file damage, and repair as an explicit step."""

from dataclasses import dataclass
from typing import Any

import aiohttp

from permission_urls import ReadSigner
from storagenode.disk.reading import opened
from storagenode.protocol.layout import Place
from storagenode.upkeep.scrub import Scrub
from tests.storagemaster.manual_master import Answer
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import KEYS, MIRRORS, SmallCluster
from volumes.cluster import NodeId
from volumes.photo_path import VolumeId, parse_path
from volumes.sizes import size_classes

NEXT_TRIED = {404, 500, 502, 503}
"""Statuses that make an edge try the next mirror."""


@dataclass(frozen=True, slots=True)
class Read:
    """Response to a GET, and the node that sent it."""

    status: int
    body: bytes
    node: str


class ProbedCluster:
    """A small cluster with probes. It has all attributes of the small cluster."""

    def __init__(self, small: SmallCluster) -> None:
        self._small = small

    def __getattr__(self, name: str) -> Any:
        return getattr(self._small, name)

    async def store_photo(
        self, data: bytes | None = None, *, volume: int = 1, **options: Any
    ) -> str:
        """Upload a photo that must be acknowledged, and return the path of its original."""
        response = await self.upload(data, volume=volume, **options)
        assert response.status in {200, 201}, response.document
        return response.original

    async def upload(self, data: bytes | None = None, *, volume: int = 1, **options: Any) -> Answer:
        """Upload a photo, and return the response."""
        return await self.master.upload(data or picture(), volume=volume, **options)

    async def run_passes(self) -> None:
        """Poll the nodes, deliver hints, and lift fences."""
        for master in self.masters:
            await master.fleet.poll()
            await master.fence_lifter.lift_fences()
            await master.hinted_handoff.deliver_all()
            await master.fleet.poll()
            await master.fence_lifter.lift_fences()

    async def repair_all(self) -> None:
        """Deliver hints, and reconcile every volume; no step may fail."""
        await self.run_passes()
        for number in MIRRORS:
            response = await self.repair(number)
            assert not response["failed"], response["failed"]

    async def repair(self, number: int) -> Any:
        """Reconcile one volume, and return the result."""
        return (await self.master.request("POST", f"/repairs/{number}")).document

    async def plan(self, number: int = 1) -> Any:
        """Return the repair plan of a volume."""
        return (await self.master.request("GET", f"/repairs/{number}")).document

    async def scrub(self, node: str) -> Any:
        """Run a scrub pass on a node without a rate limit."""
        scrub = Scrub(
            self.stores[node],
            None,  # the loop's own threads
            bytes_per_second=10**12,
            now_seconds=lambda: 0.0,
            sleep=_at_once,
        )
        return await scrub.run_pass()

    async def read(self, path: str, *, at: str | None = None) -> Read:
        """GET a photo from each mirror in turn, as an edge does, or from one node."""
        file = parse_path(path)
        config = self.nodes_config
        url = ReadSigner(KEYS).url(path, size_class=size_classes(config.sizes)[file.size])
        found = Read(502, b"", "")
        async with aiohttp.ClientSession() as session:
            for node in [at] if at else MIRRORS[file.photo_version.volume]:
                found = await self._get(session, node, url)
                if found.status not in NEXT_TRIED:
                    break
        return found

    async def _get(self, session: aiohttp.ClientSession, node: str, url: str) -> Read:
        """GET a photo over a connection that stays open, which a node's fast path requires."""
        address = self.nodes_config.nodes[NodeId(node)].read
        try:
            async with session.get(f"http://{address}{url}") as response:
                return Read(response.status, await response.read(), node)
        except aiohttp.ClientError:
            return Read(502, b"", node)

    def damage(self, node: str, path: str, change: Any) -> None:
        """Change the bytes of a file without changing its recorded digest."""
        file = self.path(node, path)
        file.chmod(0o644)
        file.write_bytes(change(file.read_bytes()))
        file.chmod(0o440)

    def is_sound(self, node: str, path: str) -> bool:
        """Return True if a node has a file whose bytes match its digest."""
        store = self.stores[node]
        if not self.path(node, path).exists():
            return False
        with opened(store.file_system, Place(parse_path(path)).path) as file:
            return file.compute_digest() == file.digest

    def equal(self, *numbers: int) -> bool:
        """Return True if the mirrors of the volumes are equal and no hint is pending."""
        hints = any(self.hidden(node, ".hints") for node in self.stores)
        return not hints and all(self.mirrors_are_equal(VolumeId(n)) for n in numbers or MIRRORS)


async def _at_once(_: float) -> None:
    return
