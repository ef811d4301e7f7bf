"""What goes wrong in a history: each fault begins at some time, and most end at another."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import replace
from random import Random
from typing import Any

from storagenode.protocol.layout import HINTS
from tests.simulation.fault_atlas import FaultAtlas
from tests.simulation.network import Link, LinkConditions, Machine
from tests.simulation.simulated_disk import TOTAL_BYTES, empty_root
from tests.simulation.simulated_node import SimulatedNode
from tests.simulation.world import World
from tests.storagenode.disk.crash_file_system import Contents
from volumes.cluster import NodeId

LASTS_SECONDS_MAX = 3.0


class Faults:
    """The faults of one history."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random: Random = world.random
        self._atlas = FaultAtlas(world)
        self.fired: list[str] = []

    async def run(self, *, until_seconds: float) -> None:
        """Have some faults, one after the other or at the same time, until a moment."""
        loop, random = asyncio.get_running_loop(), self._random
        episodes = []
        for kind in random.choices(_KINDS, _WEIGHTS, k=random.randint(1, 6)):
            at = random.random() * until_seconds
            episodes.append(loop.create_task(self._after(at, kind)))
        await asyncio.wait(episodes, timeout=until_seconds)
        for episode in episodes:
            episode.cancel()
        await asyncio.gather(*episodes, return_exceptions=True)

    def heal(self) -> None:
        """Everything that is not damage is over: machines are on, disks have room, links are up."""
        world = self._world
        world.network.mend_all()
        for edge in world.edges.values():
            edge.is_up = True
        world.queue.loses = 0.0
        for node in world.nodes.values():
            node.unfreeze()
            node.power_was_cut()
            node.disk.changes_until_power_cut = None
            self._repair_disk(node)
            if not node.is_up:
                node.start()
        for master in world.masters:
            if not master.is_up:
                master.start()

    async def _after(
        self, seconds: float, kind: Callable[["Faults"], Coroutine[Any, Any, None]]
    ) -> None:
        await asyncio.sleep(seconds)
        self._fire(kind.__name__)
        await kind(self)

    def _fire(self, what: str, where: str = "") -> None:
        self.fired.append(what)
        self._world.ledger.log(f"fault {what} {where}".rstrip())

    async def _lasts(self) -> None:
        await asyncio.sleep(0.05 + self._random.random() ** 2 * LASTS_SECONDS_MAX)

    def _any_node(self) -> SimulatedNode:
        return self._random.choice(list(self._world.nodes.values()))

    def _repair_disk(self, node: SimulatedNode) -> None:
        """What an operator does: make room, change the cable, restart what is in doubt."""
        disk = node.disk
        in_doubt = disk.fsyncs_fail or (node.is_up and node.store.health.suspect_reason)
        disk.free_bytes = TOTAL_BYTES // 2
        disk.reads_fail = disk.fsyncs_fail = False
        node.threads.seconds_max = 0.006
        if in_doubt:
            node.lose_power(dark=False)
            node.start()

    # Processes and machines.

    async def node_is_killed(self) -> None:
        """SIGKILL: what was written stays."""
        node = self._any_node()
        node.kill()
        await self._lasts()
        self._start(node)

    async def node_loses_power(self) -> None:
        """What was not fsynced is lost, torn, or there."""
        node = self._any_node()
        node.lose_power(dark=self._random.random() < 0.5)
        await self._lasts()
        self._start(node)

    async def node_loses_power_in_a_write(self) -> None:
        """Between two changes of the disk."""
        node = self._any_node()
        node.disk.changes_until_power_cut = self._random.randrange(1, 40)
        await self._lasts()
        await self._lasts()
        self._start(node)

    async def all_lose_power(self) -> None:
        """Both colos at once."""
        for node in self._world.nodes.values():
            node.lose_power(dark=True)
        for master in self._world.masters:
            master.crash()
        await self._lasts()
        for machine in self._world.machines():
            self._start(machine)

    async def node_is_frozen(self) -> None:
        """SIGSTOP, then SIGCONT."""
        node = self._any_node()
        node.freeze()
        await self._lasts()
        node.unfreeze()

    async def master_is_killed(self) -> None:
        """In the middle of whatever it does."""
        master = self._random.choice(self._world.masters)
        master.crash()
        await self._lasts()
        self._start(master)

    async def clock_jumps(self) -> None:
        """The wall clock of one machine, by seconds or by an hour, either way."""
        machine = self._random.choice(self._world.machines())
        jump = self._random.choice((-3600.0, -10.0, -1.5, 1.5, 10.0, 3600.0))
        self._world.skew_seconds[machine.name] = jump

    # Links.

    async def colos_are_cut(self) -> None:
        """Both ways, or one way only."""
        colos = list(self._world.cluster.colos)
        self._random.shuffle(colos)
        one, two = (
            {m.name for m in self._world.machines() if self._colo(m) == c} for c in colos[:2]
        )
        links = [(a, b) for a in sorted(one) for b in sorted(two)]
        await self._cut(links, both_ways=self._random.random() < 0.6)

    async def machine_is_cut_off(self) -> None:
        """From all others."""
        machine = self._random.choice(self._world.machines())
        others = sorted(m.name for m in self._world.machines() if m is not machine)
        both = self._random.random() < 0.6
        links = [(machine.name, other) for other in others]
        if not both and self._random.random() < 0.5:
            links = [(other, name) for name, other in links]
        await self._cut(links, both_ways=both)

    async def nodes_cannot_reach_each_other(self) -> None:
        """Storagemasters reach all of them."""
        names = list(self._world.nodes)
        await self._cut(list(itertools.combinations(names, 2)), both_ways=True)

    async def links_are_bad(self) -> None:
        """Slow, lossy, doubling, resetting and garbling, each a little or not at all."""
        random, network = self._random, self._world.network
        network.conditions = LinkConditions(
            slow=random.choice((0.0, 0.5)),
            lost=random.choice((0.0, 0.05, 0.2)),
            duplicated=random.choice((0.0, 0.3)),
            reset=random.choice((0.0, 0.1)),
            garbled=random.choice((0.0, 0.1)),
        )
        machines = self._world.machines()
        network.bad_links = {m.name for m in random.sample(machines, random.randint(1, 3))}
        await self._lasts()
        network.conditions = LinkConditions()

    # Disks.

    async def disk_is_full(self) -> None:
        """To the reserve, or to the brim."""
        node = self._any_node()
        node.disk.free_bytes = self._random.choice((0, TOTAL_BYTES // 200, TOTAL_BYTES // 70))
        await self._lasts()
        self._repair_disk(node)

    async def fsyncs_fail(self) -> None:
        """Until somebody changes the disk's cable and restarts the machine."""
        node = self._any_node()
        node.disk.fsyncs_fail = True
        await self._lasts()
        if node.is_up:
            self._repair_disk(node)

    async def reads_fail(self) -> None:
        """With EIO, for a while."""
        node = self._any_node()
        node.disk.reads_fail = True
        await self._lasts()
        node.disk.reads_fail = False

    async def disk_is_slow(self) -> None:
        """Half a second for each thing."""
        node = self._any_node()
        node.threads.seconds_max = 2.0
        await self._lasts()
        node.threads.seconds_max = 0.006

    # Damage: only where the atlas allows it.

    async def files_rot(self) -> None:
        """Bits flip, files are cut short or emptied, digests or names are lost."""
        node = self._any_node()
        spare = self._atlas.spare_files(node)
        for path in self._random.sample(spare, min(len(spare), self._random.randint(1, 3))):
            name, change = self._random.choice(_ROT)
            node.damaged_at = self._world.ledger.now()
            node.disk.damage(path, change)
            self._fire(name, f"{path} at {node.name}")

    async def directory_is_lost(self) -> None:
        """A shard, with all that is in it."""
        node = self._any_node()
        spare = self._atlas.spare_files(node)
        if spare:
            directory = self._random.choice(spare).rpartition("/")[0]
            inside = [p for p in node.disk.contents() if p.startswith(f"{directory}/")]
            if set(inside) <= set(spare):
                node.damaged_at = self._world.ledger.now()
                node.disk.damage(directory, lambda _: None)
                self._fire("lost directory", f"{directory} at {node.name}")

    async def disk_is_replaced(self) -> None:
        """By an empty one."""
        node = self._any_node()
        if self._atlas.may_lose(node):
            self._change_disk(node, "emptied disk")
            node.disk.load(empty_root())
            await self._back_after_a_while(node)

    async def old_backup_returns(self) -> None:
        """The disk is as it was some seconds before."""
        node = self._any_node()
        backup = node.disk.image()
        await self._lasts()
        then = type(node.disk)(lambda: 0.0, node.disk._shards)
        then.load(backup)
        if self._atlas.may_lose(node, but=then.contents()):
            self._change_disk(node, "old backup")
            node.disk.load(backup)
            await self._back_after_a_while(node)

    async def owed_work_is_deleted(self) -> None:
        """By hand."""
        node = self._any_node()
        held = [path for path in sorted(node.disk.contents()) if path.startswith(f"{HINTS}/")]
        for path in held:
            if self._atlas.has_another(node, path):
                node.damaged_at = self._world.ledger.now()
                node.disk.damage(path, lambda _: None)

    async def edge_is_down(self) -> None:
        """It is purged when it is back."""
        edge = self._random.choice(list(self._world.edges.values()))
        edge.is_up = False
        await self._lasts()
        edge.is_up = True

    def _change_disk(self, node: SimulatedNode, what: str) -> None:
        node.damaged_at = self._world.ledger.now()
        node.kill()
        node.is_dark = True
        self._fire(what, f"at {node.name}")

    async def _back_after_a_while(self, node: SimulatedNode) -> None:
        await self._lasts()
        self._start(node)

    def _start(self, machine: Any) -> None:
        if not machine.is_up:
            machine.start()

    async def _cut(self, links: list[Link], *, both_ways: bool) -> None:
        if both_ways:
            links = [*links, *((b, a) for a, b in links)]
        self._world.network.cut(*links)
        await self._lasts()
        self._world.network.mend(*links)

    def _colo(self, machine: Machine) -> str:
        name = machine.name
        world = self._world
        if name in world.nodes:
            return str(world.nodes[NodeId(name)].node.colo)
        return "east" if name in {"m1", "edge-1"} else "west"


def _flip(contents: Contents) -> Contents:
    return replace(contents, data=bytes([contents.data[0] ^ 1]) + contents.data[1:])


def _cut_short(contents: Contents) -> Contents:
    return replace(contents, data=contents.data[: len(contents.data) // 2])


_ROT: tuple[tuple[str, Callable[[Contents], Contents | None]], ...] = (
    ("bit flip", _flip),
    ("truncation", _cut_short),
    ("emptying", lambda contents: replace(contents, data=b"")),
    ("lost digest", lambda contents: replace(contents, digest=None)),
    ("lost digest and bit flip", lambda contents: replace(_flip(contents), digest=None)),
    ("loss", lambda _: None),
)

_WEIGHTED = (
    (Faults.node_is_killed, 4),
    (Faults.node_loses_power, 6),
    (Faults.node_loses_power_in_a_write, 8),
    (Faults.all_lose_power, 1),
    (Faults.node_is_frozen, 4),
    (Faults.master_is_killed, 4),
    (Faults.clock_jumps, 3),
    (Faults.colos_are_cut, 5),
    (Faults.machine_is_cut_off, 4),
    (Faults.nodes_cannot_reach_each_other, 2),
    (Faults.links_are_bad, 6),
    (Faults.disk_is_full, 3),
    (Faults.fsyncs_fail, 3),
    (Faults.reads_fail, 1),
    (Faults.disk_is_slow, 2),
    (Faults.files_rot, 6),
    (Faults.directory_is_lost, 2),
    (Faults.disk_is_replaced, 3),
    (Faults.old_backup_returns, 3),
    (Faults.owed_work_is_deleted, 1),
    (Faults.edge_is_down, 2),
)
_KINDS = [kind for kind, _ in _WEIGHTED]
_WEIGHTS = [weight for _, weight in _WEIGHTED]
