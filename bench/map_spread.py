"""Seconds from the request for a new volume map until every process follows it.

`python -m bench.map_spread` takes about two minutes. A node is added to the map and removed from it
in turns, with another id each time. A machine without a storagemaster runs `proxy-config --watch`
with keys of its own: it follows as soon as the files of its edge have the map. The edge then
reloads, which `make bench-scale-edges` measures.
"""

import asyncio
import contextlib
import dataclasses
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import aiohttp

from bench.figures import Figure, report, summarize
from bench.scratch_cluster import named, scratch_cluster
from glassplate.client import Client
from glassplate.local.cluster import LocalCluster
from glassplate.local.plan import NODES
from runtime.tls.machine_name import Role
from storagenode.client import NodeClient
from volumes.address import Address
from volumes.cluster import Colo, Node, NodeId
from volumes.config.cluster_file import MAP_NAME
from volumes.config.map_tables import MapTables
from volumes.machines import own_certificate
from volumes.map.map_text import render_map
from volumes.map.volume_map import map_of

MAPS = 40
SECONDS_MAX = 3.0
POLL_SECONDS = 0.02
EDGE, EDGE_FOLDER = "east-nginx", "edge"
NETWORK = "10.9.9."
MASTERS = ("east-master", "west-master")


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """Seconds until all of these followed one map."""

    nodes_and_masters: float
    machine: float


def main() -> int:
    """Put maps in force, and return the exit status."""
    spreads = asyncio.run(_measure())
    return report(
        "map-spread",
        [
            _slowest("nodes and storagemasters", [each.nodes_and_masters for each in spreads]),
            _slowest("a machine without a storagemaster", [each.machine for each in spreads]),
        ],
    )


def _slowest(who: str, seconds: list[float]) -> Figure:
    median = statistics.median(seconds)
    print(f"{who}: median {median:.2f} s, slowest of {len(seconds)} maps {max(seconds):.2f} s")
    name = f"{SECONDS_MAX:g} s / a new map reaches {who}, slowest of {len(seconds)}"
    return summarize(name, 1.0, [(max(seconds), SECONDS_MAX)], higher_is_better=False)


async def _measure() -> list[Spread]:
    async with scratch_cluster() as local, aiohttp.ClientSession() as session:
        await local.start(named(local, "valkey", *NODES, *MASTERS))
        async with _machine_alone(local) as machine:
            return await _put_maps(local, session, machine)


@contextlib.asynccontextmanager
async def _machine_alone(local: LocalCluster) -> AsyncIterator[Path]:
    """Run `proxy-config --watch` on a machine with its own keys; yield its folder."""
    with tempfile.TemporaryDirectory(prefix="glassplate-machine-") as name:
        folder = Path(name)
        for path in local.data.glob("*"):
            if path.is_file() and path.name not in {"keys.toml", MAP_NAME}:
                shutil.copy(path, folder)
        shutil.copytree(local.data / "tls", folder / "tls")
        glassplate = (sys.executable, "-m", "glassplate", "--cluster")
        export = ("keys", "export", "--purpose", "read", "--purpose", "map", "--out")
        await asyncio.to_thread(
            subprocess.run,
            (*glassplate, local.config_path, *export, folder / "keys.toml"),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        watch = await asyncio.create_subprocess_exec(
            *(*glassplate, folder / local.config_path.name, "proxy-config", "nginx", "--watch"),
            *("--edge", EDGE, "--out", folder / EDGE_FOLDER, "--run-dir", folder),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,  # its nginx does not run
        )
        try:
            await _seconds_until(
                partial(_machine_follows, folder, map_of(local.cluster).tables), 0.0
            )
            yield folder
        finally:
            watch.terminate()
            await watch.wait()


async def _put_maps(
    local: LocalCluster, session: aiohttp.ClientSession, machine: Path
) -> list[Spread]:
    own = own_certificate(local.cluster, Role.MASTER, MASTERS[0])
    nodes = [
        NodeClient(node.id, node.write, session, local.keys, own)
        for node in local.cluster.nodes.values()
    ]
    first = map_of(local.cluster)
    spreads = []
    async with contextlib.AsyncExitStack() as stack:
        masters = [
            await stack.enter_async_context(
                Client(f"http://{local.cluster.masters[name].address}", keys=local.keys)
            )
            for name in MASTERS
        ]
        for before in range(1, 1 + MAPS):
            added = {_added(before).id: _added(before)} if before % 2 else {}
            tables = dataclasses.replace(first.tables, nodes={**first.tables.nodes, **added})
            started = time.perf_counter()
            await masters[before // 2 % 2].volume_map(
                {
                    "tables": render_map(dataclasses.replace(first, tables=tables)),
                    "after_version": before,
                    "why": "bench",
                    "apply": True,
                }
            )
            seconds = await asyncio.gather(
                _seconds_until(partial(_processes_follow, nodes, masters, before + 1), started),
                _seconds_until(partial(_machine_follows, machine, tables), started),
            )
            spreads.append(Spread(*seconds))
            # The next map comes at another moment between two polls.
            await asyncio.sleep(before % 10 / 10)
    return spreads


def _added(number: int) -> Node:
    """Return a node that does not run."""
    return Node(
        id=NodeId(f"east-{number + 9}"),
        colo=Colo("east"),
        read=Address(f"{NETWORK}{number}", 1),
        write=Address(f"{NETWORK}{number}", 2),
        store="/srv/disk",
    )


async def _processes_follow(
    nodes: Sequence[NodeClient], masters: Sequence[Client], version: int
) -> bool:
    versions = [(await node.status()).map_version for node in nodes]
    versions += [(await master.volume_map())["version"] for master in masters]
    return min(versions) >= version


async def _machine_follows(machine: Path, tables: MapTables) -> bool:
    routes = machine / EDGE_FOLDER / "routes.lua"
    if not routes.exists():
        return False
    return (NETWORK in routes.read_text()) is (len(tables.nodes) > len(NODES))


async def _seconds_until(follows: Callable[[], Awaitable[bool]], started: float) -> float:
    while not await follows():  # noqa: ASYNC110  # other processes change
        await asyncio.sleep(POLL_SECONDS)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
