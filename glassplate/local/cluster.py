"""A cluster on one machine: its processes, their start order, and their files."""

import asyncio
import contextlib
import itertools
import os
import secrets
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from glassplate.edges.watch import POLL_SECONDS as EDGE_POLL_SECONDS
from glassplate.local.edges import LocalEdge, prepare_edge, prepare_ingest
from glassplate.local.plan import PORTS_USED, LocalPorts
from glassplate.local.ports import (
    FIRST_PORT,
    LAST_PORT,
    PortsInUse,
    first_port,
    queue_address,
    require_free_ports,
)
from glassplate.local.preparation import CONFIG_NAME, prepare_data
from glassplate.local.processes import (
    ProcessFailed,
    ProcessPlan,
    StartFailed,
    SupervisedProcess,
)
from glassplate.local.shared_servers import memcached_command, valkey_command
from permission_urls import KeySource
from volumes.address import Address
from volumes.cluster import Cluster, Node
from volumes.config.cluster_file import load_cluster

WORKERS_PER_COLO = 1
# Servers start before their clients, and stop after them.
_SHARED, _NODES, _MASTERS, _CLIENTS = range(4)
RESPONSE_SECONDS = 1.0
_PORT_TRIES = 20
# Debian installs servers in folders that are not in every user's PATH.
SERVER_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


@dataclass(frozen=True, slots=True)
class MissingServer:
    """A server that is not installed, and the consequence."""

    name: str
    consequence: str


MISSING_NGINX = MissingServer("nginx with Lua", "no nginx edges: only the nodes serve photos")
MISSING_VARNISH = MissingServer("varnish with vmod-digest", "no Varnish edge")
MISSING_MEMCACHED = MissingServer("memcached", "info documents are read from disk on each request")


def prepare_on_free_ports(data: Path) -> "LocalCluster":
    """Prepare a new cluster below a directory, on free ports.

    Raises:
        PortsInUse: No free range was found.
    """
    for number in range(_PORT_TRIES):
        port = secrets.choice(range(FIRST_PORT, LAST_PORT, PORTS_USED))
        cluster = LocalCluster.prepare(data / str(number), port=port)
        with contextlib.suppress(PortsInUse):
            cluster.require_free_ports()
            return cluster
    raise PortsInUse(f"found no range of {PORTS_USED} free ports; try again")


class LocalCluster:
    """The processes of a cluster below a data directory."""

    def __init__(
        self,
        data: Path,
        cluster: Cluster,
        keys: KeySource,
        *,
        views: Mapping[str, Path] | None = None,
        moved_from_port: int | None = None,
    ) -> None:
        """Plan the processes. `views` are configs with other addresses, by process."""
        self.data = data
        self.cluster = cluster
        self.keys = keys
        self.moved_from_port = moved_from_port
        """The first port until now, if the ports have just been moved."""
        self._views = views or {}
        self.missing: list[MissingServer] = []
        self._local_edges: list[LocalEdge] = []
        self.processes = [SupervisedProcess(plan) for plan in self._plans()]

    def with_views(self, views: Mapping[str, Path]) -> "LocalCluster":
        """Return the same cluster, in which some processes use these configs."""
        return LocalCluster(self.data, self.cluster, self.keys, views=views)

    @classmethod
    def prepare(cls, data: Path, *, port: int | None = None) -> "LocalCluster":
        """Create the files of a new cluster, or load the files of an existing one.

        Raises:
            InvalidConfig, KeyRingError, RootRefused, OSError: An existing one cannot be used.
        """
        data = data.resolve()
        prepared = prepare_data(data, port=port)
        return cls(data, prepared.cluster, prepared.keys, moved_from_port=prepared.moved_from_port)

    @property
    def config_path(self) -> Path:
        """The path of the cluster's config."""
        return self.data / CONFIG_NAME

    @property
    def first_port(self) -> int:
        """The first of the cluster's ports."""
        return first_port(self.cluster)

    def require_free_ports(self) -> None:
        """Raise `PortsInUse` unless every address of the cluster is free."""
        require_free_ports(self.cluster)

    async def start(
        self,
        processes: Iterable[SupervisedProcess],
        started: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Start processes that are not ready, and call `started` for each that is.

        Processes of one stage start in parallel. A process that fails stops no other: each one
        works without those it depends on.

        Raises:
            StartFailed: Some processes did not start; all others did.
        """
        reasons: dict[str, str] = {}
        for stage in _stages(processes):
            for process, reason in await asyncio.gather(*(_start(p, started) for p in stage)):
                if reason:
                    reasons[process.plan.name] = reason
        if reasons:
            raise StartFailed(reasons)

    async def stop(self, processes: Iterable[SupervisedProcess]) -> None:
        """Stop processes, in reverse order of the stages."""
        for stage in reversed(_stages(processes)):
            await asyncio.gather(*(process.stop() for process in stage))

    def of_colo(self, colo: str) -> list[SupervisedProcess]:
        """Return the processes of one colo, in start order."""
        return [process for process in self.processes if process.plan.colo == colo]

    def named(self, name: str) -> list[SupervisedProcess]:
        """Return the process of this name, or none."""
        return [process for process in self.processes if process.plan.name == name]

    def plan_node(self, node: Node) -> ProcessPlan:
        """Plan a node, of the config or of a later map."""
        argv = self._python(node.id, "storagenode", "--node", node.id)
        ready = partial(_is_healthy, node.read)
        return self._plan(node.id, node.colo, argv, ready, stage=_NODES)

    async def follow_edges(
        self,
        report: Callable[[str], None],
        follows: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Make edges follow config and keys until cancelled, while `follows` is true of each."""
        watches = {
            edge.id: edge.watch(self.config_path, partial(_report_edge, report, edge.id))
            for edge in self._local_edges
        }
        while True:
            due = [watch for edge, watch in watches.items() if follows(edge)]
            await asyncio.gather(*(asyncio.to_thread(each.check_for_changes) for each in due))
            await asyncio.sleep(EDGE_POLL_SECONDS)

    def _plans(self) -> list[ProcessPlan]:
        return [*self._shared(), *self._services(), *self._edges(), *self._ingests()]

    def _shared(self) -> list[ProcessPlan]:
        """Plan the queue server and memcached, which both colos use."""
        queue = queue_address(self.cluster)
        valkey = valkey_command(self.cluster, queue, self.data / "valkey")
        plans = [self._plan("valkey", "", valkey, partial(_accepts_connections, queue))]
        program = _find("memcached")
        if program is None:
            self.missing.append(MISSING_MEMCACHED)
            return plans
        for number, address in enumerate(self.cluster.memcached, 1):
            argv = memcached_command(self.cluster, address, program)
            ready = partial(_accepts_connections, address)
            plans.append(self._plan(f"memcached-{number}", "", argv, ready))
        return plans

    def _services(self) -> list[ProcessPlan]:
        """Plan the nodes, the storagemasters, and the workers."""
        plans = [self.plan_node(node) for node in self.cluster.nodes.values()]
        for master in self.cluster.masters.values():
            argv = self._python(master.id, "storagemaster", "--master", master.id)
            ready = partial(_is_healthy, master.address)
            plans.append(self._plan(master.id, master.colo, argv, ready, stage=_MASTERS))
        metrics_port = LocalPorts(self.first_port).worker_metrics
        # A worker sends its sizes to a storagemaster. A colo with only buckets has neither.
        for colo in dict.fromkeys(master.colo for master in self.cluster.masters.values()):
            for number in range(1, WORKERS_PER_COLO + 1):
                name = f"{colo}-worker-{number}"
                metrics = f"127.0.0.1:{metrics_port}"
                metrics_port += 1
                argv = self._python(name, "imageworker", "--colo", colo, "--metrics", metrics)
                plans.append(self._plan(name, colo, argv, _is_ready_at_once, stage=_CLIENTS))
        return plans

    def _edges(self) -> list[ProcessPlan]:
        plans = []
        for edge in self.cluster.edges.values():
            folder = self.data / "edges" / edge.id
            cluster = load_cluster(self._views[edge.id]) if edge.id in self._views else self.cluster
            prepared = prepare_edge(cluster, edge, self.keys, folder, search_path=SERVER_PATH)
            if prepared is None:
                missing = MISSING_NGINX if edge.kind == "nginx" else MISSING_VARNISH
                if missing not in self.missing:
                    self.missing.append(missing)
            else:
                ready = partial(_is_healthy, edge.listen)
                self._local_edges.append(prepared)
                argv = prepared.argv
                plans.append(self._plan(edge.id, edge.colo, argv, ready, stage=_CLIENTS))
        return plans

    def _ingests(self) -> list[ProcessPlan]:
        plans = []
        for ingest in self.cluster.ingests.values():
            folder = self.data / "ingests" / ingest.id
            argv = prepare_ingest(self.cluster, ingest, folder, search_path=SERVER_PATH)
            if argv is not None:
                # Its health is that of a storagemaster, which it does not need in order to start.
                ready = partial(_accepts_connections, ingest.listen)
                plans.append(self._plan(ingest.id, ingest.colo, argv, ready, stage=_CLIENTS))
        return plans

    def _plan(
        self,
        name: str,
        colo: str,
        argv: list[str],
        is_ready: Callable[[], Awaitable[bool]],
        *,
        stage: int = _SHARED,
    ) -> ProcessPlan:
        log = self.data / "log" / f"{name}.log"
        return ProcessPlan(name=name, colo=colo, argv=argv, log=log, is_ready=is_ready, stage=stage)

    def _python(self, process: str, module: str, *arguments: str) -> list[str]:
        config = self._views.get(process, self.config_path)
        return [sys.executable, "-m", module, "--config", str(config), *arguments]


def _find(program: str) -> str | None:
    return shutil.which(program, path=SERVER_PATH)


def _stages(processes: Iterable[SupervisedProcess]) -> list[list[SupervisedProcess]]:
    """Return processes grouped by stage, in stage order. Each group keeps the given order."""
    ordered = sorted(processes, key=_stage_of)
    return [list(stage) for _, stage in itertools.groupby(ordered, key=_stage_of)]


def _stage_of(process: SupervisedProcess) -> int:
    return process.plan.stage


async def _start(
    process: SupervisedProcess, started: Callable[[str], None]
) -> tuple[SupervisedProcess, str]:
    """Start a process unless it is ready. Return it, and the reason if it did not start."""
    name = process.plan.name
    # A process that is restarted again and again has a pid most of the time.
    if process.pid is None or not await process.plan.is_ready():
        try:
            await process.start()
        except (ProcessFailed, OSError) as error:
            return process, str(error) if isinstance(error, ProcessFailed) else f"{name}: {error}"
    started(name)
    return process, ""


def _report_edge(report: Callable[[str], None], edge: str, message: str) -> None:
    report(f"{edge}: {message}")


async def _is_ready_at_once() -> bool:
    return True


async def _accepts_connections(address: Address) -> bool:
    try:
        _, writer = await asyncio.wait_for(
            asyncio.open_connection(address.host, address.port), RESPONSE_SECONDS
        )
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _is_healthy(address: Address) -> bool:
    """Return True if a server responds 200 to a health check."""
    try:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(address.host, address.port), RESPONSE_SECONDS
        )
        try:
            writer.write(
                f"GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
            )
            line = await asyncio.wait_for(reader.readline(), RESPONSE_SECONDS)
        finally:
            writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in line
