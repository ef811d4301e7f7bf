"""Two colos of two real nodes each in this process, with a proxy before each node.

    volume 1: east-1 and west-1        volume 2: east-2 and west-2

Roots of nodes are created once and wiped between tests: a volume has a thousand directories.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import logging
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drill.cluster.tcp_proxy import TcpProxy, running_proxy
from permission_urls import DEFAULT_APPLICATION, Purpose, generate_keys
from storagemaster.mirrors.key_volumes import KeyVolumes
from storagenode.app import running_node
from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.health import Reserve
from storagenode.disk.marker import mark_root
from storagenode.disk.store import DiskStore
from storagenode.protocol.audit_log import AUDIT
from storagenode.protocol.layout import HINTS, QUARANTINE, STAGING, TRASH, Place
from storagenode.protocol.maps import MAPS
from storagenode.protocol.partials import PARTIALS
from storagenode.protocol.recent import RECENT
from storagenode.upkeep.upkeep import Upkeep
from tests.free_ports import free_port
from tests.storagemaster.manual_master import ManualMaster, running_manually
from tests.storagenode.tombstones import PROOFS, proof_of
from volumes.address import Address
from volumes.cluster import Cluster, Colo, Master, Node, NodeId, Volume
from volumes.photo_id import derive_photo_id
from volumes.photo_path import VolumeId, parse_path

COLO_OF = {"east-1": "east", "east-2": "east", "west-1": "west", "west-2": "west"}
NODES = tuple(COLO_OF)
log = logging.getLogger(__name__)

MIRRORS = {1: ("east-1", "west-1"), 2: ("east-2", "west-2")}
HOST = "127.0.0.1"
NO_QUEUE_URL = "redis://127.0.0.1:1"

KEYS = generate_keys(random.Random(1).randbytes)
KEY_SECRET = KEYS.ring(Purpose.PHOTO_ID).idempotency_secret


def keys_of(volume: int, *, count: int) -> list[str]:
    """Return Idempotency-Keys of the tests' clients whose photos belong in a volume."""
    cluster: Any = SimpleNamespace(
        volumes={n: Volume(number=VolumeId(n), mirrors=()) for n in MIRRORS}
    )
    volumes = KeyVolumes(cluster)

    def is_in_volume(key: str) -> bool:
        photo, _ = derive_photo_id(key, application=DEFAULT_APPLICATION, secret=KEY_SECRET)
        return volumes.of(photo)[-1].number == volume

    keys = filter(is_in_volume, map(str, itertools.count()))
    return list(itertools.islice(keys, count))


class SmallCluster:
    """The nodes, the links to them, and any number of storagemasters."""

    def __init__(self, cluster: Cluster, roots: Mapping[str, Path], **options: Any) -> None:
        self.nodes_config = cluster
        self.node_map: Cluster | None = None
        """The map of nodes that start from now on, if it is not that of their addresses."""
        # A directory's time is that of the kernel's last tick, which can be earlier than now.
        self.since_nanoseconds = time.time_ns() - 1_000_000_000
        self.links: dict[str, TcpProxy] = {}
        self.stores: dict[str, DiskStore] = {}
        self.masters: list[ManualMaster] = []
        self._roots = roots
        self._staging = [root / STAGING for root in roots.values()]
        self._options = options
        self._running: dict[str, contextlib.AsyncExitStack] = {}
        self._stack = contextlib.AsyncExitStack()

    @property
    def master(self) -> ManualMaster:
        """The first storagemaster."""
        return self.masters[0]

    @property
    def config(self) -> Cluster:
        """The cluster as the storagemasters see it: each node is at the other end of its link."""
        nodes = {
            id_: dataclasses.replace(node, write=self.links[id_].address)
            for id_, node in self.nodes_config.nodes.items()
        }
        return dataclasses.replace(self.nodes_config, nodes=nodes, **self._options)

    async def open(self) -> "SmallCluster":
        """Start everything."""
        for id_, node in self.nodes_config.nodes.items():
            await self.start(id_)
            proxy = running_proxy(Address(HOST, free_port()), node.write)
            self.links[id_] = await self._stack.enter_async_context(proxy)
        await self.another_master("m1", colo="east")
        return self

    async def close(self) -> None:
        """Stop everything, and remove its files: the roots are shared with later tests.

        The links stop first, so that nothing waits for the data that they hold.
        """
        masters = [id_ for id_ in self._running if id_ not in NODES]
        for id_ in masters:
            await self.stop(id_)
        await self._stack.aclose()
        for id_ in tuple(self._running):
            await self.stop(id_)
        for root in self._roots.values():
            wipe(root, since_nanoseconds=self.since_nanoseconds)

    async def another_master(
        self, name: str = "m2", *, colo: str = "west", config: Cluster | None = None
    ) -> ManualMaster:
        """Start one more storagemaster, on a machine with the first map or with another one."""
        master = Master(id=name, colo=Colo(colo), address=Address(HOST, free_port()))
        self._running[name] = contextlib.AsyncExitStack()
        running = running_manually(config or self.config, master, KEYS)
        self.masters.append(await self._running[name].enter_async_context(running))
        return self.masters[-1]

    async def stop_master(self, number: int) -> None:
        """Stop a storagemaster; its port refuses connections afterwards."""
        await self.stop(f"m{number + 1}")

    async def start(self, *ids: str) -> None:
        """Start nodes that are not running."""
        for id_ in ids:
            self._running[id_] = contextlib.AsyncExitStack()
            node = self.nodes_config.nodes[NodeId(id_)]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Upkeep, "running", without_upkeep)
                self.stores[id_] = await self._running[id_].enter_async_context(
                    running_node(self.node_map or self.nodes_config, node, KEYS)
                )

    async def stop(self, *ids: str) -> None:
        """Stop nodes; their ports refuse connections afterwards."""
        for id_ in ids:
            await self._running.pop(id_).aclose()

    async def stop_and_notice(self, *ids: str) -> None:
        """Stop nodes, and have the storagemasters poll them."""
        await self.stop(*ids)
        await self.poll()

    async def start_and_notice(self, *ids: str) -> None:
        """Start nodes, and have the storagemasters poll them."""
        await self.start(*ids)
        await self.poll()

    async def poll(self) -> None:
        """Poll every node from every storagemaster."""
        for master in self.masters:
            await master.fleet.poll()

    def mark_suspect(self, node: str) -> None:
        """Make a node accept no writes, as after a failed fsync."""
        self.stores[node].health.suspect_reason = "an fsync failed"

    def fill(self, node: str, *, to_the_brim: bool = False) -> None:
        """Leave a node free space for sizes only or, `to_the_brim`, for tombstones only."""
        reserves = 0.5 if to_the_brim else 1.5
        free_bytes = self.stores[node].space().free_bytes
        self.stores[node].health.reserve = Reserve(bytes=int(free_bytes / reserves), inodes=0)

    def lose_volume(self, node: str, number: int) -> None:
        """Remove a volume from a node, as after a replacement of its disk."""
        self.stores[node]._volumes.discard(VolumeId(number))

    def root(self, node: str) -> Path:
        """Return the directory of a node's files."""
        return self._roots[node]

    def path(self, node: str, path: str) -> Path:
        """Return the path of a file of a node."""
        return self._roots[node] / path

    def files(self, node: str) -> dict[str, bytes]:
        """Return all files of a node except its markers, with those in hidden directories."""
        root = self.root(node)
        paths = files_below(root, since_nanoseconds=self.since_nanoseconds)
        return {path: (root / path).read_bytes() for path in paths}

    def all_files(self) -> dict[str, dict[str, bytes]]:
        """Return all files of every node that has any."""
        found = {node: self.files(node) for node in NODES}
        return {node: files for node, files in found.items() if files}

    def visible(self, node: str) -> set[str]:
        """Return the photo paths of a node's live files."""
        return {path for path in self.files(node) if not path.startswith(".")}

    def hidden(self, node: str, place: str) -> set[str]:
        """Return the paths in one of a node's hidden directories, such as `.trash`."""
        return {path for path in self.files(node) if path.startswith(f"{place}/")}

    def write(self, node: str, path: str, data: bytes, *, hint_for: str | None = None) -> None:
        """Store a file on a node, as if it had received it."""
        store = self.stores[node]
        place = Place(parse_path(path), NodeId(hint_for) if hint_for else None)
        if path.endswith(".gone"):
            store.write_tombstone(place, mtime_seconds=1_700_000_000, proof=proof_of(place))
            return
        with store.staging(bytes_expected=len(data)) as file:
            file.write(data)
            store.publish(file, place, mtime_seconds=1_700_000_000, digest=file.digest)

    def mirrors_are_equal(self, number: int) -> bool:
        """Return True if the mirrors of a volume have the same digest for every shard."""
        digests = [self.stores[node].shard_digests(VolumeId(number)) for node in MIRRORS[number]]
        if digests.count(digests[0]) == len(digests):
            return True
        for node, found in zip(MIRRORS[number], digests, strict=True):
            log.warning("mirror %s: %s, %s", node, found, sorted(self.files(node)))
        return False

    async def wait_until_nothing_is_staged(self) -> None:
        """Return when no node has a staged file: nodes notice a lost sender by themselves."""
        await wait_until(lambda: not any(map(has_files, self._staging)))

    def holders(self, path: str) -> dict[str, bytes]:
        """Return the bytes of a file by `node`, and of its hints by `node for mirror`."""
        found = {}
        for node in NODES:
            places = {node: path} | {
                f"{node} for {mirror}": f".hints/{mirror}/{path}" for mirror in NODES
            }
            for name, place in places.items():
                if self.path(node, place).exists():
                    found[name] = self.path(node, place).read_bytes()
        return found


@contextlib.asynccontextmanager
async def without_upkeep(_: Upkeep) -> AsyncIterator[None]:
    """Replace a node's upkeep with nothing."""
    yield


def make_roots(folder: Path) -> dict[str, Path]:
    """Create a marked root for every node, with its volumes."""
    cluster = node_cluster({id_: folder / id_ for id_ in NODES})
    for node in cluster.nodes.values():
        mark_root(Path(node.store), node)
        store = DiskStore(DiskFileSystem(Path(node.store)), PROOFS)
        store.create_volumes(cluster.volumes_on(node.id))
    return {id_: folder / id_ for id_ in NODES}


def node_cluster(roots: Mapping[str, Path]) -> Cluster:
    """Return the cluster with its nodes on free ports, and nothing else."""
    return Cluster(
        name="small",
        public_url="http://photos.example",
        keys_file="",
        queue_url=NO_QUEUE_URL,
        nodes={
            NodeId(id_): Node(
                id=NodeId(id_),
                colo=Colo(colo),
                read=Address(HOST, free_port()),
                write=Address(HOST, free_port()),
                store=str(roots[id_]),
            )
            for id_, colo in COLO_OF.items()
        },
        volumes={
            VolumeId(number): Volume(
                number=VolumeId(number), mirrors=tuple(NodeId(id_) for id_ in mirrors)
            )
            for number, mirrors in MIRRORS.items()
        },
        masters={},
        edges={},
    )


def wipe(root: Path, *, since_nanoseconds: int) -> None:
    """Remove the files that came to a node's root since a moment at which it was empty."""
    for path in files_below(root, since_nanoseconds=since_nanoseconds):
        (root / path).unlink()
    for hidden in (HINTS, TRASH):
        shutil.rmtree(root / hidden)
        (root / hidden).mkdir()
    for created in (PARTIALS, AUDIT, RECENT, MAPS):
        shutil.rmtree(root / created, ignore_errors=True)


def files_below(root: Path, *, since_nanoseconds: int) -> Iterator[str]:
    """Yield the files of a node, except markers, whose directories have changed since a moment."""
    for folder in (STAGING, HINTS, TRASH, QUARANTINE):
        for parent, _, names in os.walk(root / folder):
            yield from (str((Path(parent) / name).relative_to(root)) for name in names)
    for number in MIRRORS:
        if (root / str(number)).exists():
            with os.scandir(root / str(number)) as shards:
                for shard in shards:
                    if shard.is_dir() and shard.stat().st_ctime_ns >= since_nanoseconds:
                        with os.scandir(shard) as files:
                            yield from (f"{number}/{shard.name}/{file.name}" for file in files)


def has_files(folder: Path) -> bool:
    """Return True if a directory has any entry."""
    with os.scandir(folder) as entries:
        return any(entries)


async def wait_until(is_so: Callable[[], bool]) -> None:
    """Return as soon as a condition holds; a disk sends no event for a changed file."""
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)
