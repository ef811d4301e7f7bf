"""The cluster under test: real processes in a scratch folder, connected by proxied links."""

import asyncio
import contextlib
import fnmatch
import logging
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from drill.cluster.drill_bucket import DrillBucket, with_bucket, with_only_buckets
from drill.cluster.links import CLIENTS, Links, running_links, write_views
from drill.cluster.namespaces import Namespaces, in_namespaces, namespaces
from drill.cluster.stores import RawDisk, RawStore, photo_files_below
from drill.history import History
from glassplate.client import Client
from glassplate.local.cluster import LocalCluster, prepare_on_free_ports
from glassplate.local.preparation import CONFIG_NAME
from glassplate.local.processes import POLL_SECONDS, READY_SECONDS_MAX, SupervisedProcess
from glassplate.session.retries import Retries, Timeouts
from runtime.tasks_beside import run_beside
from storagenode.disk.marker import mark_root
from volumes.cluster import Cluster, Node, NodeId
from volumes.config.map_tables import MapTables
from volumes.map.map_text import parse_tables
from volumes.map.volume_map import VolumeMap, tables_of, with_map

log = logging.getLogger(__name__)

SMALL_DISK = NodeId("east-2")
"""The node with its own mounted disk, which a fault can fill or remount read-only."""
SMALL_DISK_BYTES_MIN = 256 * 1024 * 1024
# More than the load stores, so that only a fault fills the disk.
SMALL_DISK_BYTES_PER_SECOND = 4 * 1024 * 1024
ONCE = Retries(attempts_max=1)
TIMEOUTS = Timeouts(connect_seconds=2, response_seconds=8)


class Buckets(Enum):
    """The mirrors in S3."""

    NONE = "none"
    THIRD = "third"
    """Every volume has a third mirror, in a bucket."""
    ONLY = "only"
    """Every volume has two mirrors, in buckets of two S3 servers."""


class DrillCluster:
    """A running cluster, its links, and the history of its load."""

    def __init__(
        self,
        local: LocalCluster,
        links: Links,
        clients: Mapping[str, Client],
        buckets: Sequence[DrillBucket] = (),
        networks: Namespaces | None = None,
    ) -> None:
        self.local = local
        self.cluster: Cluster = local.cluster
        """The config with the real addresses of all servers, not with the addresses of links."""
        self.left_edges: set[str] = set()
        """The edges that follow no map at present."""
        self.buckets = buckets
        """The mirrors in S3, if the scenario has any."""
        self.networks = networks
        """The networks of the colos, if the scenario cuts them."""
        self.roots: Mapping[str, Path] = {
            id_: Path(node.store)
            for id_, node in local.cluster.nodes.items()
            if node.bucket is None
        }
        """The disk of each node. Versions of the map have no paths of this machine.

        Threads read these mappings: a change replaces them.
        """
        disks: dict[str, RawStore] = {id_: RawDisk(r) for id_, r in self.roots.items()}
        self.stores: Mapping[str, RawStore] = disks | {each.node: each.store for each in buckets}
        self.links = links
        self.clients = clients
        """By storagemaster: a client that never retries."""
        self.history = History()
        self.sent: dict[str, bytes] = {}
        """The uploaded bytes, by Idempotency-Key."""
        self.urls: dict[str, str] = {}
        """The permission URL of each known photo path."""

    async def read_map(self) -> tuple[MapTables, int]:
        """Return the map in force and its version, which the drill uses from now on."""
        document = await self.running_client().volume_map()
        self.follow_map(document)
        return self.tables(document["text"]), int(document["version"])

    def tables(self, text: str | None) -> MapTables:
        """Return the tables of a map, from its text or, if it has none, from the config."""
        return parse_tables(text) if text is not None else tables_of(self.cluster)

    def running_client(self) -> Client:
        """Return a client of a storagemaster that runs; any, if none does."""
        running = {p.plan.name for p in self.local.processes if p.pid is not None}
        up = [client for name, client in self.clients.items() if name in running]
        return (up or list(self.clients.values()))[0]

    def follow_map(self, document: Mapping[str, Any]) -> None:
        """Use the map in force, as a storagemaster returned it, without the removed nodes."""
        if document["text"] is None:
            return
        tables = parse_tables(document["text"])
        followed = VolumeMap(version=document["version"], after="", why="", tables=tables)
        self.cluster = with_map(self.cluster, followed)
        gone = tables.gone_nodes
        self.stores = {node: store for node, store in self.stores.items() if node not in gone}
        self.roots = {node: root for node, root in self.roots.items() if node not in gone}
        self.local.processes = [p for p in self.local.processes if p.plan.name not in gone]

    async def start_added_node(self, node: Node) -> None:
        """Start a node that an operator has added to the map, and read its disk from now on."""
        root = Path(node.store)
        self.roots = {**self.roots, node.id: root}
        self.stores = {**self.stores, node.id: RawDisk(root)}
        process = SupervisedProcess(self.local.plan_node(node))
        self.local.processes.append(process)
        await process.start()

    async def follow_edges(self) -> None:
        """Make the edges follow the map until cancelled, as `proxy-config --watch` does."""
        await self.local.follow_edges(log.info, follows=lambda edge: edge not in self.left_edges)

    def processes(self, *patterns: str) -> list[SupervisedProcess]:
        """Return the processes whose names match any pattern.

        Raises:
            LookupError: A pattern matches no process.
        """
        found: list[SupervisedProcess] = []
        for pattern in patterns:
            named = [p for p in self.local.processes if fnmatch.fnmatch(p.plan.name, pattern)]
            if not named:
                raise LookupError(f"no process matches {pattern!r}; check that it is installed")
            found += [process for process in named if process not in found]
        return found

    def process(self, name: str) -> SupervisedProcess:
        """Return the process of this name."""
        (process,) = self.processes(name)
        return process

    def root(self, node: str) -> Path:
        """Return the root directory of a node."""
        return self.roots[node]

    def photo_files(self, node: str) -> list[Path]:
        """Return the JPEG files on a node, sorted by name."""
        files = (file for _, file in photo_files_below(self.root(node)))
        return sorted(file for file in files if file.suffix == ".jpg")

    @property
    def edges(self) -> tuple[str, ...]:
        """The edges that are running."""
        running = {process.plan.name for process in self.local.processes}
        return tuple(edge for edge in self.cluster.edges if edge in running)

    def edge_url(self, edge: str) -> str:
        """Return the URL of an edge for clients."""
        return f"http://{self.links.address(CLIENTS, f'{edge}.listen')}"


@contextlib.asynccontextmanager
async def running_drill_cluster(
    *,
    seed: int,
    load_seconds: float,
    buckets: Buckets = Buckets.NONE,
    changes_maps: bool = False,
    cuts_networks: bool = False,
) -> AsyncIterator[DrillCluster]:
    """Run a cluster until the block exits, and leave nothing behind.

    Its small disk has room for a load of these seconds.
    """
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="glassplate-drill-"))
        local = prepare_on_free_ports(Path(folder))
        stack.enter_context(_small_disk(local, load_seconds=load_seconds))
        networks: Namespaces | None = None
        drill_buckets: list[DrillBucket] = []
        if cuts_networks:
            networks = stack.enter_context(namespaces(list(local.cluster.colos)))
            local = in_namespaces(local, networks)
        if buckets is not Buckets.NONE:
            added = with_bucket(local) if buckets is Buckets.THIRD else with_only_buckets(local)
            local, drill_buckets = await asyncio.to_thread(stack.enter_context, added)
        links = await stack.enter_async_context(running_links(local.cluster, seed=seed))
        if not changes_maps:
            sites = {p.plan.name: p.plan.colo or "east" for p in local.processes}
            views = write_views(links, local.data / CONFIG_NAME, sites, local.data)
            local = local.with_views(views)
        stack.push_async_callback(_stop, local)
        await _start(local)
        clients = {
            master: await stack.enter_async_context(
                Client(
                    f"http://{links.address(CLIENTS, master)}",
                    keys=local.keys,
                    retries=ONCE,
                    timeouts=TIMEOUTS,
                )
            )
            for master in local.cluster.masters
        }
        await asyncio.gather(*map(_wait_until_all_nodes_serve, clients.values()))
        drill_cluster = DrillCluster(local, links, clients, drill_buckets, networks)
        if changes_maps:
            await stack.enter_async_context(run_beside(drill_cluster.follow_edges()))
        yield drill_cluster


def can_mount() -> bool:
    """Return True if this process can mount a disk for a node."""
    return os.geteuid() == 0


def small_disk_bytes(load_seconds: float) -> int:
    """Return the size of the small disk for a load of these seconds."""
    return max(SMALL_DISK_BYTES_MIN, int(load_seconds * SMALL_DISK_BYTES_PER_SECOND))


async def _start(local: LocalCluster) -> None:
    """Start the shared services, then all other processes at once, which is faster."""
    shared = [process for process in local.processes if not process.plan.colo]
    await local.start(shared)
    async with asyncio.TaskGroup() as starting:
        for process in local.processes:
            if process not in shared:
                starting.create_task(process.start())


async def _wait_until_all_nodes_serve(client: Client) -> None:
    """Wait until every node is up and no volume is fenced.

    Raises:
        TimeoutError: A node is down or still fenced after `READY_SECONDS_MAX`.
    """
    async with asyncio.timeout(READY_SECONDS_MAX):
        while True:
            nodes = (await client.status())["nodes"]
            if all(node["up"] and not node["fenced_volumes"] for node in nodes):
                return
            await asyncio.sleep(POLL_SECONDS)


async def _stop(local: LocalCluster) -> None:
    await asyncio.gather(*(process.stop() for process in local.processes))


@contextlib.contextmanager
def _small_disk(local: LocalCluster, *, load_seconds: float) -> Iterator[None]:
    """Mount a disk in memory for one node if this process can mount."""
    node = local.cluster.nodes[SMALL_DISK]
    if not can_mount():
        yield
        return
    size = f"size={small_disk_bytes(load_seconds)}"
    _run("mount", "-t", "tmpfs", "-o", size, "glassplate-drill", node.store)
    try:
        mark_root(Path(node.store), node)
        yield
    finally:
        # Lazy, so that a process that did not stop in time cannot keep the mount.
        _run("umount", "--lazy", node.store)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # fixed arguments
