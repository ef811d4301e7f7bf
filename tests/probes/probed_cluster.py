"""A small cluster with repair as a step: read as an edge reads, damage, and mend."""

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
"""What an edge does not take for an answer while there is another mirror to ask."""


@dataclass(frozen=True, slots=True)
class Got:
    """What a GET was answered with, and by whom."""

    status: int
    body: bytes
    node: str


class ProbedCluster:
    """Wraps a small cluster; what is not said here is its own."""

    def __init__(self, small: SmallCluster) -> None:
        self._small = small

    def __getattr__(self, name: str) -> Any:
        return getattr(self._small, name)

    async def keep(self, data: bytes | None = None, *, volume: int = 1, **options: Any) -> str:
        """Upload a photo that must be acknowledged; the photo path of its original."""
        answer = await self.upload(data, volume=volume, **options)
        assert answer.status in {200, 201}, answer.document
        return answer.original

    async def upload(self, data: bytes | None = None, *, volume: int = 1, **options: Any) -> Answer:
        """Upload a photo; what it was answered."""
        return await self.master.upload(data or picture(), volume=volume, **options)

    async def catch_up(self) -> None:
        """Look at the nodes, bring owed work home, and lift the fences."""
        for master in self.masters:
            await master.fleet.poll()
            await master.fence_lifter.lift_fences()
            await master.hinted_handoff.deliver_all()
            await master.fleet.poll()
            await master.fence_lifter.lift_fences()

    async def mend(self) -> None:
        """Hand over what is owed, and reconcile every volume until nothing is left to do."""
        await self.catch_up()
        for number in MIRRORS:
            answer = await self.repair(number)
            assert not answer["failed"], answer["failed"]

    async def repair(self, number: int) -> Any:
        """Reconcile one volume now; what became of it."""
        return (await self.master.request("POST", f"/repairs/{number}")).document

    async def plan(self, number: int = 1) -> Any:
        """What would make the mirrors of a volume equal."""
        return (await self.master.request("GET", f"/repairs/{number}")).document

    async def scrub(self, node: str) -> Any:
        """Read every byte of a node again, at once."""
        scrub = Scrub(
            self.stores[node],
            None,  # the loop's own threads
            bytes_per_second=10**12,
            now_seconds=lambda: 0.0,
            sleep=_at_once,
        )
        return await scrub.run_pass()

    async def read(self, path: str, *, at: str | None = None) -> Got:
        """GET a photo as an edge does, from each mirror in turn; or from one node."""
        file = parse_path(path)
        config = self.nodes_config
        url = ReadSigner(KEYS).url(path, size_class=size_classes(config.sizes)[file.size])
        found = Got(502, b"", "")
        for node in [at] if at else MIRRORS[file.photo_version.volume]:
            found = await self._get(node, url)
            if found.status not in NEXT_TRIED:
                break
        return found

    async def _get(self, node: str, url: str) -> Got:
        address = self.nodes_config.nodes[NodeId(node)].read
        try:
            async with aiohttp.request("GET", f"http://{address}{url}") as response:
                return Got(response.status, await response.read(), node)
        except aiohttp.ClientError:
            return Got(502, b"", node)

    def damage(self, node: str, path: str, change: Any) -> None:
        """Change a file's bytes below the store, and leave what is noted of it."""
        file = self.path(node, path)
        file.chmod(0o644)
        file.write_bytes(change(file.read_bytes()))
        file.chmod(0o444)

    def is_sound(self, node: str, path: str) -> bool:
        """Whether a node has a file whose bytes have their digest."""
        store = self.stores[node]
        if not self.path(node, path).exists():
            return False
        with opened(store.file_system, Place(parse_path(path)).path) as file:
            return file.compute_digest() == file.digest

    def equal(self, *numbers: int) -> bool:
        """Whether the mirrors of volumes are the same, and nothing is owed."""
        owed = any(self.hidden(node, ".hints") for node in self.stores)
        return not owed and all(self.mirrors_are_equal(VolumeId(n)) for n in numbers or MIRRORS)


async def _at_once(_: float) -> None:
    return
