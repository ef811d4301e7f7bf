"""A cluster of two disk nodes, a bucket node, and a storagemaster whose passes a test runs."""

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
from click.testing import CliRunner
from yarl import URL

from glassplate.cli.main import main
from glassplate.session.new_tokens import sign_new_token
from permission_urls import Key, KeyRing, KeyState, ReadSigner
from storagenode.app import running_node
from storagenode.client import NodeClient
from storagenode.opening import mark_store
from storagenode.protocol.layout import Place
from tests.free_ports import free_ports
from tests.storagemaster.manual_master import ManualMaster, running_manually
from tests.storagenode.photo_samples import MTIME, bytes_of, version_of
from tests.storagenode.served_site import LoopThread, chunked, lift_fences
from volumes.address import Address
from volumes.cluster import Cluster, Edge, Master, Node, Volume
from volumes.photo_path import Info, PhotoTombstone, PhotoVersion, Variant, parse_path, render_path
from volumes.sizes import size_classes

VOLUME = 42
DISKS = ("east-1", "west-1")
COLD = "cold-1"
EDGE = "east-nginx"
SIZES = "mbhko"
MOVED = "hko"
KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(32)), state=KeyState.SIGNING),))


class ColdCluster:
    """A volume with three mirrors: two disks, and a bucket with two replicas.

    The config has an edge, which a test can start.
    """

    def __init__(self, folder: Path, endpoint: str, prefix: str) -> None:
        ports = iter(free_ports(9))
        stores = {id_: str(folder / id_) for id_ in DISKS} | {COLD: f"s3://photos/{prefix}"}
        nodes = {
            id_: Node(
                id=id_,
                colo=id_.split("-", maxsplit=1)[0],
                read=Address("127.0.0.1", next(ports)),
                write=Address("127.0.0.1", next(ports)),
                store=store,
                endpoint=endpoint if id_ == COLD else "",
                region="us-east-1" if id_ == COLD else "",
                bucket_replicas=2 if id_ == COLD else 1,
            )
            for id_, store in stores.items()
        }
        self.config = Cluster(
            name="cold",
            public_url="http://photos.example",
            keys_file="",
            queue_url="redis://127.0.0.1:1",
            nodes=nodes,
            volumes={VOLUME: Volume(number=VOLUME, mirrors=tuple(nodes))},
            masters={},
            edges={EDGE: _edge(next(ports), next(ports))},
        )
        self.thread = LoopThread()
        self.clients: dict[str, NodeClient] = {}
        self.stores: dict[str, Any] = {}
        self.master: ManualMaster
        self._photos: list[PhotoVersion] = []
        self._address = Address("127.0.0.1", next(ports))
        self._running: dict[str, contextlib.AsyncExitStack] = {}
        self._stack = contextlib.AsyncExitStack()

    def run(self, work: Any) -> Any:
        """Run a coroutine, and return its result."""
        return self.thread.run(work)

    async def open(self) -> None:
        """Start everything."""
        session = await self._stack.enter_async_context(aiohttp.ClientSession())
        for id_, node in self.config.nodes.items():
            self.clients[id_] = NodeClient(node.id, node.write, session, KEYS)
            await self.start(id_)
        master = Master(id="m1", colo="east", address=self._address)
        running = running_manually(self.config, master, KEYS)
        self.master = await self._stack.enter_async_context(running)

    async def close(self) -> None:
        """Stop everything."""
        await self._stack.aclose()
        for id_ in tuple(self._running):
            await self.stop(id_)

    async def start(self, id_: str) -> None:
        """Start a node without fences, over a new store if it has none."""
        await self.start_fenced(id_)
        await lift_fences(self.clients[id_])

    async def start_fenced(self, id_: str) -> None:
        """Start a node with its fences up."""
        node = self.config.nodes[id_]
        await asyncio.to_thread(mark_store, node)
        stack = contextlib.AsyncExitStack()
        self.stores[id_] = await stack.enter_async_context(running_node(self.config, node, KEYS))
        self._running[id_] = stack

    async def stop(self, id_: str) -> None:
        """Stop a node."""
        await self._running.pop(id_).aclose()

    def lose_disk(self, id_: str) -> None:
        """Replace the disk of a node with an empty one."""
        self.run(self.stop(id_))
        shutil.rmtree(self.config.nodes[id_].store)
        self.run(self.start(id_))
        self.run(self.master.fleet.poll())

    def put_photo(self, number: int, *, nodes: tuple[str, ...] = DISKS) -> PhotoVersion:
        """Store a photo with all its sizes on some nodes."""
        photo_version = version_of(number)
        self._photos.append(photo_version)
        files = [Variant(photo_version, size, "jpg") for size in SIZES] + [Info(photo_version)]
        for node in nodes:
            for file in files:
                data = photo_bytes(file)
                put = self.clients[node].put(
                    Place(file), chunked(data), mtime_seconds=MTIME, bytes_total=len(data)
                )
                self.run(put)
        return photo_version

    def poll_until_bucket_answers(self) -> None:
        """Poll the nodes until the bucket node, which probes in the background, is well again."""
        deadline = time.monotonic() + 30
        while not self.run(self.clients[COLD].status()).accepts_new_photos:
            assert time.monotonic() < deadline, "the bucket node still refuses new photos"
            time.sleep(0.01)
        self.run(self.master.fleet.poll())

    def recall(self) -> None:
        """Remove the cold tier of the volume, without a repair."""
        for client in self.clients.values():
            self.run(client.set_cold_tier(VOLUME, None))
        self.run(self.master.fleet.poll())

    def delete_later(self, photo_version: PhotoVersion) -> None:
        """Add a photo to the photos that `delete_all` deletes."""
        self._photos.append(photo_version)

    def delete_all(self) -> None:
        """Delete all photos, so that the next test does not process them."""
        while self._photos:
            photo_version = self._photos.pop()
            tombstone = Place(PhotoTombstone(photo_version.volume, photo_version.photo))
            for client in self.clients.values():
                self.run(client.write_tombstone(tombstone, mtime_seconds=MTIME))

    def sizes_on(self, node: str, photo_version: PhotoVersion) -> str:
        """Return the letters of the sizes on a node, after verifying their bytes."""
        letters = ""
        for listed in self.run(self.clients[node].list_photo(VOLUME, photo_version.photo)):
            file = parse_path(f"{VOLUME}/{photo_version.shard}/{listed.name}")
            if isinstance(file, Variant):
                fetched = self.run(self.clients[node].fetch(Place(file)))
                assert fetched.data == photo_bytes(file)
                letters += file.size
        return "".join(sorted(letters))

    def good_copies(self, photo_version: PhotoVersion, size: str) -> int:
        """Return the number of good copies of a size; a bucket counts with its replicas."""
        nodes = self.config.nodes
        return sum(
            nodes[node].bucket_replicas
            for node in nodes
            if size in self.sizes_on(node, photo_version)
        )

    def browse(self, photo_version: PhotoVersion, size: str) -> tuple[int, bytes, str]:
        """GET a size from mirror after mirror, and return status, bytes, and node."""
        return self.run(self._browse(self.url_of(photo_version, size)))

    def url_of(self, photo_version: PhotoVersion, size: str) -> str:
        """Return the URL of a size, without the host."""
        path = render_path(Variant(photo_version, size, "jpg"))
        classes = size_classes(self.config.sizes)
        return ReadSigner(KEYS).url(path, size_class=classes[size], expiry_seconds=0)

    async def _browse(self, url: str) -> tuple[int, bytes, str]:
        status, data, found = 0, b"", ""
        async with aiohttp.ClientSession() as session:
            for id_, node in self.config.nodes.items():
                async with session.get(f"http://{node.read}{url}") as response:
                    status, data, found = response.status, await response.read(), id_
                    if status == 200:
                        break
        return status, data, found

    async def post(self, id_: str, path: str, headers: dict[str, str]) -> int:
        """Send a request to the write port of a node, and return the status."""
        url = URL(f"http://{self.config.nodes[id_].write}{path}", encoded=True)
        async with aiohttp.ClientSession() as session, session.post(url, headers=headers) as sent:
            return sent.status

    def glassplate(self, *arguments: object) -> Any:
        """Run a command, and return its result."""
        token = sign_new_token(KEYS, ("admin", "delete", "original", "read", "status"))
        options = ["--url", f"http://{self._address}", "--token", token]
        return CliRunner().invoke(main, [*options, *map(str, arguments)])

    def glassplate_json(self, *arguments: object, exit_code: int = 0) -> Any:
        """Run a command, and return the document that it prints."""
        result = self.glassplate(*arguments, "--json")
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)


def _edge(listen: int, purge: int) -> Edge:
    listens, purges = Address("127.0.0.1", listen), Address("127.0.0.1", purge)
    return Edge(id=EDGE, colo="east", kind="nginx", listen=listens, purge=purges)


def photo_bytes(file: object) -> bytes:
    """Return the content of a file of a photo."""
    if isinstance(file, Info):
        made = [{"size": size, "ext": "jpg"} for size in SIZES if size != "o"]
        return json.dumps({"width": 64, "height": 48, "variants": made}).encode()
    return bytes_of(file, size=500)


@contextlib.contextmanager
def cold_cluster(folder: Path, endpoint: str, prefix: str) -> Iterator[ColdCluster]:
    """Run a cluster until the block exits."""
    cluster = ColdCluster(folder, endpoint, prefix)
    try:
        cluster.run(cluster.open())
        yield cluster
    finally:
        cluster.run(cluster.close())
        cluster.thread.close()
