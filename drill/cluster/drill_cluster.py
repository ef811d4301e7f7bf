"""The cluster that is drilled: real processes below a scratch folder, joined by links of ours."""

import asyncio
import contextlib
import fnmatch
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from drill.cluster.drill_bucket import COLD, DrillBucket, with_bucket
from drill.cluster.links import CLIENTS, Links, running_links, write_views
from drill.cluster.stores import RawDisk, RawStore
from drill.history import History
from glassplate.client import Client
from glassplate.local.cluster import CONFIG_NAME, LocalCluster, prepare_on_free_ports
from glassplate.local.processes import POLL_SECONDS, READY_SECONDS_MAX, SupervisedProcess
from glassplate.session.retries import Retries, Timeouts
from storagenode.disk.marker import mark_root
from volumes.cluster import Cluster, NodeId

SMALL_DISK = NodeId("east-2")
"""The node that has a disk of its own, so that it can be filled and mounted read-only."""
SMALL_DISK_BYTES = 256 * 1024 * 1024
ONCE = Retries(attempts_max=1)
PATIENCE = Timeouts(connect_seconds=2, response_seconds=8)


class DrillCluster:
    """A running cluster, its links, and the history of what is asked of it."""

    def __init__(
        self,
        local: LocalCluster,
        links: Links,
        clients: Mapping[str, Client],
        bucket: DrillBucket | None = None,
    ) -> None:
        self.local = local
        self.bucket = bucket
        """The third mirror, where the scenario has one."""
        self.stores: dict[str, RawStore] = {
            id_: RawDisk(Path(node.store))
            for id_, node in local.cluster.nodes.items()
            if node.bucket is None
        }
        if bucket is not None:
            self.stores[COLD] = bucket.store
        self.links = links
        self.clients = clients
        """A client of each storagemaster, which asks it once, by its id."""
        self.history = History()
        self.sent: dict[str, bytes] = {}
        """What was uploaded, by Idempotency-Key."""
        self.urls: dict[str, str] = {}
        """The permission URL of each photo path that the cluster has told of."""

    @property
    def cluster(self) -> Cluster:
        """What the cluster was planned as, with the true addresses."""
        return self.local.cluster

    def processes(self, *patterns: str) -> list[SupervisedProcess]:
        """Processes by the patterns of their names.

        Raises:
            LookupError: A pattern names none.
        """
        found: list[SupervisedProcess] = []
        for pattern in patterns:
            named = [p for p in self.local.processes if fnmatch.fnmatch(p.plan.name, pattern)]
            if not named:
                raise LookupError(f"the cluster has no process {pattern}: is it installed?")
            found += [process for process in named if process not in found]
        return found

    def process(self, name: str) -> SupervisedProcess:
        """One process."""
        (process,) = self.processes(name)
        return process

    def root(self, node: str) -> Path:
        """The root of a node."""
        return Path(self.cluster.nodes[NodeId(node)].store)

    def photo_files(self, node: str) -> list[Path]:
        """The pixels on a node, in the order of their names."""
        return sorted(p for p in self.root(node).glob("[1-9]*/??/*") if p.suffix == ".jpg")

    @property
    def edges(self) -> tuple[str, ...]:
        """The edges that there are."""
        running = {process.plan.name for process in self.local.processes}
        return tuple(edge for edge in self.cluster.edges if edge in running)

    def edge_url(self, edge: str) -> str:
        """Where clients reach an edge."""
        return f"http://{self.links.address(CLIENTS, f'{edge}.listen')}"


@contextlib.asynccontextmanager
async def running_drill_cluster(
    *, seed: int, has_bucket: bool = False
) -> AsyncIterator[DrillCluster]:
    """A cluster that runs for as long as the block lasts, and leaves nothing behind."""
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="glassplate-drill-"))
        local = prepare_on_free_ports(Path(folder))
        stack.enter_context(_small_disk(local))
        bucket = None
        if has_bucket:
            local, bucket = await asyncio.to_thread(stack.enter_context, with_bucket(local))
        links = await stack.enter_async_context(running_links(local.cluster, seed=seed))
        sites = {p.plan.name: p.plan.colo or "east" for p in local.processes}
        local = local.with_views(write_views(links, local.data / CONFIG_NAME, sites, local.data))
        stack.push_async_callback(_stop, local)
        await _start(local)
        clients = {
            master: await stack.enter_async_context(
                Client(
                    f"http://{links.address(CLIENTS, master)}",
                    keys=local.keys,
                    retries=ONCE,
                    timeouts=PATIENCE,
                )
            )
            for master in local.cluster.masters
        }
        await asyncio.gather(*map(_until_all_nodes_send, clients.values()))
        yield DrillCluster(local, links, clients, bucket)


def can_mount() -> bool:
    """Whether a node can be given a disk of its own here."""
    return os.geteuid() == 0


async def _start(local: LocalCluster) -> None:
    """Start what all use, then all others at once: they find each other, and drills are many."""
    shared = [process for process in local.processes if not process.plan.colo]
    await local.start(shared)
    async with asyncio.TaskGroup() as starting:
        for process in local.processes:
            if process not in shared:
                starting.create_task(process.start())


async def _until_all_nodes_send(asked: Client) -> None:
    """Wait for the word of what was deleted, before which a node that has just begun sends nothing.

    Raises:
        TimeoutError: A node is not up, or has not had it.
    """
    async with asyncio.timeout(READY_SECONDS_MAX):
        while True:
            nodes = (await asked.status())["nodes"]
            if all(node["up"] and not node["fenced_volumes"] for node in nodes):
                return
            await asyncio.sleep(POLL_SECONDS)


async def _stop(local: LocalCluster) -> None:
    await asyncio.gather(*(process.stop() for process in local.processes))


@contextlib.contextmanager
def _small_disk(local: LocalCluster) -> Iterator[None]:
    """A disk in memory for one node, where this machine lets us mount one."""
    node = local.cluster.nodes[SMALL_DISK]
    if not can_mount():
        yield
        return
    size = f"size={SMALL_DISK_BYTES}"
    _run("mount", "-t", "tmpfs", "-o", size, "glassplate-drill", node.store)
    try:
        mark_root(Path(node.store), node)
        yield
    finally:
        # Lazily: a process that did not end in time must not keep the mount for ever.
        _run("umount", "--lazy", node.store)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # its arguments are ours
