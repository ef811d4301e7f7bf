"""Changes of the volume map under load: moves, replaced nodes, and maps in quick succession.

An operator's command begins each move. The fault lasts until the moves have ended.
"""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from drill.cluster.drill_cluster import DrillCluster
from drill.faults.evidence import Evidence, wait_until
from drill.faults.processes import is_running
from glassplate.client import Client
from glassplate.errors import GlassplateError
from glassplate.local.ports import free_port
from glassplate.local.preparation import CONFIG_NAME
from runtime.tasks_beside import run_beside
from volumes.address import Address
from volumes.cluster import Colo, Node, NodeId
from volumes.map.edits import with_changed_nodes
from volumes.map.map_text import render_map
from volumes.map.volume_map import VolumeMap

ENDS_SECONDS_MAX = 240.0
POLL_SECONDS = 0.5
COMMAND_TRIES = 60
FILES_MIN = 6
CHANGE_SECONDS, RACE_SECONDS = 0.1, 0.6
WEIGHT_MIN, WEIGHT_STEP, WEIGHT_STEPS = 0.5, 0.01, 100


@dataclass(frozen=True, slots=True)
class Drained:
    """A node is drained: all its volumes move to other nodes."""

    name: str

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Drain a node that has photos; wait after the block until it has none."""
        await _wait_for_photos(drill_cluster, self.name)
        command = ("node", "drain", self.name, "--apply", "--wait")
        # It begins the moves a few at a time, and fails while its storagemaster is down.
        async with run_beside(_run(drill_cluster, *command)):
            moving = await _holds(partial(_is_moving, drill_cluster))
            evidence.add(moving, f"volumes of {self.name} move")
            yield
            is_empty = await _holds(partial(_is_empty, drill_cluster, self.name))
        evidence.add(is_empty, f"{self.name} holds no volume and no photo")


@dataclass(frozen=True, slots=True)
class NodeReplaced:
    """The disk of a node is lost, and another node gets its volumes."""

    name: str
    new: str

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Kill a node that has photos, and give its volumes to the other one."""
        await _wait_for_photos(drill_cluster, self.name)
        process = drill_cluster.process(self.name)
        pid = process.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        await process.stop()
        evidence.add(pid and not is_running(pid), f"{self.name} (pid {pid}) is gone")
        command = ("node", "replace", self.name, self.new, "--apply")
        evidence.add(await _run(drill_cluster, *command), f"{self.new} replaces {self.name}")
        yield
        tables, _ = await drill_cluster.read_map()
        evidence.add(NodeId(self.name) in tables.gone_nodes, f"{self.name} is not in the map")


@dataclass(frozen=True, slots=True)
class ColoReplaced:
    """A colo is added, all volumes of another one move to it, and its nodes are removed."""

    old: str
    new: str

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Add the colo, and drain the other one; wait after the block until it has no node."""
        drained = [n for n in drill_cluster.cluster.nodes.values() if n.colo == self.old]
        await asyncio.gather(*(_wait_for_photos(drill_cluster, node.id) for node in drained))
        added = [_new_node(drill_cluster, f"{self.new}-{n}", self.new) for n in (1, 2)]
        evidence.add(await self._add(drill_cluster, added), f"{self.new} was added")
        drain = ("colo", "drain", self.old, "--apply", "--wait")
        async with run_beside(_run(drill_cluster, *drain)):
            yield
            are_empty = [
                await _holds(partial(_is_empty, drill_cluster, node.id)) for node in drained
            ]
        evidence.add(all(are_empty), f"{self.old} holds no volume and no photo")
        photos = [photo for node in added for photo in drill_cluster.photo_files(node.id)]
        evidence.add(photos, f"{self.new} holds {len(photos)} files of photos")
        for node in drained:
            process = drill_cluster.process(node.id)
            await _run(drill_cluster, "node", "remove", node.id, "--apply")
            await process.stop()
        tables, _ = await drill_cluster.read_map()
        gone = {node.id for node in drained} <= set(tables.gone_nodes)
        evidence.add(gone, f"the nodes of {self.old} are not in the map")

    async def _add(self, drill_cluster: DrillCluster, added: list[Node]) -> bool:
        """Add the colo as an operator does, and start its nodes."""
        nodes = [("--node", n.id, f"{n.read}", f"{n.write}", n.store) for n in added]
        command = ("colo", "add", self.new, *itertools.chain(*nodes), "--apply")
        if not await _run(drill_cluster, *command):
            return False
        for node in added:
            await _run(drill_cluster, "certs", "issue", "node", node.id)
            await _run(drill_cluster, "node", "init", node.id)
            await drill_cluster.start_added_node(node)
        return True


@dataclass(frozen=True, slots=True)
class MapsChanged:
    """The map changes several times a second. Both storagemasters take turns."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Change the weight of a node again and again until the block exits."""
        _, before = await drill_cluster.read_map()
        async with run_beside(self._repeat(drill_cluster)):
            yield
        _, after = await drill_cluster.read_map()
        evidence.add(after > before + 1, f"map {before} was in force, and {after} is")

    async def _repeat(self, drill_cluster: DrillCluster) -> None:
        clients = list(drill_cluster.clients.values())
        turn = 0
        while True:
            turn += 1
            with contextlib.suppress(GlassplateError):
                await _weigh(drill_cluster, clients[turn % len(clients)], turn)
            await asyncio.sleep(CHANGE_SECONDS)


@dataclass(frozen=True, slots=True)
class MapsRaced:
    """Operators in both colos put different maps of one version in force at once."""

    times: int = 5

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Change the map at both storagemasters at once, some times."""
        refused = 0
        clients = list(drill_cluster.clients.values())
        for turn in range(self.times):
            changes = (_weigh(drill_cluster, c, turn * 7 + n) for n, c in enumerate(clients))
            outcomes = await asyncio.gather(*changes, return_exceptions=True)
            refused += sum(isinstance(each, GlassplateError) for each in outcomes)
            await asyncio.sleep(RACE_SECONDS)
        evidence.add(refused, f"{refused} of {self.times * len(clients)} maps were refused")
        yield

        async def is_one_map() -> bool:
            maps = [await client.volume_map() for client in clients]
            return len({each["digest"] for each in maps}) == 1 and not maps[0]["lagging"]

        evidence.add(await _holds(is_one_map), "both storagemasters and all nodes have one map")


@dataclass(frozen=True, slots=True)
class EdgeLeftBehind:
    """An edge keeps its old map until a node has been drained."""

    name: str
    drained: str

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Give the edge no map until the block exits and the node is empty."""
        drill_cluster.left_edges.add(self.name)
        yield
        await _holds(partial(_is_empty, drill_cluster, self.drained))
        status = await drill_cluster.running_client().status()
        behind = [each["id"] for each in status["edges"] if "map" in each["disagrees_on"]]
        evidence.add(self.name in behind, f"edges {behind} have an old map")
        drill_cluster.left_edges.remove(self.name)


async def _is_moving(drill_cluster: DrillCluster) -> bool:
    """Return True if a volume moves."""
    tables, _ = await drill_cluster.read_map()
    return any(volume.joining or volume.leaving for volume in tables.volumes.values())


async def _is_empty(drill_cluster: DrillCluster, node: str) -> bool:
    """Return True if a node has no volume in the map, and no photo on its disk."""
    tables, _ = await drill_cluster.read_map()
    held = any(NodeId(node) in volume.homes for volume in tables.volumes.values())
    return not held and not drill_cluster.photo_files(node)


async def _wait_for_photos(drill_cluster: DrillCluster, node: str) -> None:
    await wait_until(lambda: len(drill_cluster.photo_files(node)) >= FILES_MIN)


def _new_node(drill_cluster: DrillCluster, id_: str, colo: str) -> Node:
    """Return a node on free ports, with an empty disk."""
    store = drill_cluster.local.data / "nodes" / id_
    store.mkdir()
    return Node(
        id=NodeId(id_),
        colo=Colo(colo),
        read=Address("127.0.0.1", free_port()),
        write=Address("127.0.0.1", free_port()),
        store=str(store),
    )


async def _weigh(drill_cluster: DrillCluster, client: Client, turn: int) -> None:
    """Put a map with another weight of a node in force."""
    document = await client.volume_map()
    tables = drill_cluster.tables(document["text"])
    node = list(tables.nodes)[turn % len(tables.nodes)]
    weight = round(WEIGHT_MIN + WEIGHT_STEP * (turn % WEIGHT_STEPS), 2)
    wanted = VolumeMap(
        version=document["version"],
        after="",
        why="",
        tables=with_changed_nodes(tables, [node], weight=weight),
    )
    await client.volume_map(
        {
            "tables": render_map(wanted),
            "after_version": document["version"],
            "why": f"weight of {node}",
            "apply": True,
        }
    )


async def _run(drill_cluster: DrillCluster, *command: str) -> bool:
    """Run a command of an operator until it succeeds: it may be refused for the moment."""
    config = str(drill_cluster.local.data / CONFIG_NAME)
    for _ in range(COMMAND_TRIES):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "glassplate", "--cluster", config, *command),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            if await process.wait() == 0:
                return True
        except asyncio.CancelledError:
            process.kill()
            raise
        await asyncio.sleep(1.0)
    return False


async def _holds(condition: Callable[[], Awaitable[bool]]) -> bool:
    deadline = time.monotonic() + ENDS_SECONDS_MAX
    while time.monotonic() < deadline:
        with contextlib.suppress(GlassplateError):
            if await condition():
                return True
        await asyncio.sleep(POLL_SECONDS)
    return False
