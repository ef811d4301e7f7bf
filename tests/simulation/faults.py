"""The faults of a history. Each has a begin, and most have an end."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import replace
from random import Random
from typing import Any

from storagenode.protocol.layout import HINTS
from tests.simulation.network import Link, LinkConditions, Machine
from tests.simulation.simulated_disk import TOTAL_BYTES, empty_root
from tests.simulation.simulated_node import SimulatedNode
from tests.simulation.spare_copies import SpareCopies
from tests.simulation.world import World
from tests.storagenode.disk.crash_file_system import Contents
from volumes.cluster import NodeId

LASTS_SECONDS_MAX = 3.0
_INVALID_PROOFS = (None, "a." + "A" * 24)


class Faults:
    """The faults of one history."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random: Random = world.random
        self._spares = SpareCopies(world)
        self.fired: list[str] = []
        self._changed_disks = 0
        self._invented: list[tuple[SimulatedNode, str]] = []

    async def run(self, *, until_seconds: float) -> None:
        """Run one to six random faults, possibly at the same time, until a moment."""
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
        """End all faults except damage: start machines, free disks, and reconnect links."""
        world = self._world
        for node, tombstone in self._invented:
            found = node.disk.contents().get(tombstone)
            if found is not None and found.digest in _INVALID_PROOFS:
                node.disk.damage(tombstone, lambda _: None)
        world.network.reconnect_all()
        for edge in world.edges.values():
            edge.is_up = True
        world.queue.loss_probability = 0.0
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
        """Free the disk, end its errors, and restart the node if its store is suspect."""
        disk = node.disk
        is_suspect = disk.fsyncs_fail or (node.is_up and node.store.health.suspect_reason)
        disk.free_bytes = TOTAL_BYTES // 2
        disk.reads_fail = disk.fsyncs_fail = False
        node.threads.seconds_max = 0.006
        if is_suspect:
            node.lose_power(dark=False)
            node.start()

    # Processes and machines.

    async def node_is_killed(self) -> None:
        """Kill a node; its writes stay."""
        node = self._any_node()
        node.kill()
        await self._lasts()
        self._start(node)

    async def node_loses_power(self) -> None:
        """Power off a node; writes without fsync may be lost or torn."""
        node = self._any_node()
        node.lose_power(dark=self._random.random() < 0.5)
        await self._lasts()
        self._start(node)

    async def node_loses_power_in_a_write(self) -> None:
        """Power off a node between two changes of its disk."""
        node = self._any_node()
        node.disk.changes_until_power_cut = self._random.randrange(1, 40)
        await self._lasts()
        await self._lasts()
        self._start(node)

    async def all_lose_power(self) -> None:
        """Power off all nodes and storagemasters."""
        for node in self._world.nodes.values():
            node.lose_power(dark=True)
        for master in self._world.masters:
            master.crash()
        await self._lasts()
        for machine in self._world.machines():
            self._start(machine)

    async def node_is_frozen(self) -> None:
        """Freeze a node, as SIGSTOP does."""
        node = self._any_node()
        node.freeze()
        await self._lasts()
        node.unfreeze()

    async def master_is_killed(self) -> None:
        """Kill a storagemaster."""
        master = self._random.choice(self._world.masters)
        master.crash()
        await self._lasts()
        self._start(master)

    async def clock_jumps(self) -> None:
        """Skew the clock of a machine by seconds or by an hour."""
        machine = self._random.choice(self._world.machines())
        jump = self._random.choice((-3600.0, -10.0, -1.5, 1.5, 10.0, 3600.0))
        self._world.skew_seconds[machine.name] = jump

    # Links.

    async def colos_are_cut(self) -> None:
        """Cut two colos from each other, in one or both directions."""
        colos = list(self._world.cluster.colos)
        self._random.shuffle(colos)
        one, two = (
            {m.name for m in self._world.machines() if self._colo(m) == c} for c in colos[:2]
        )
        links = [(a, b) for a in sorted(one) for b in sorted(two)]
        await self._cut(links, both_ways=self._random.random() < 0.6)

    async def machine_is_cut_off(self) -> None:
        """Cut a machine from all others, in one or both directions."""
        machine = self._random.choice(self._world.machines())
        others = sorted(m.name for m in self._world.machines() if m is not machine)
        both = self._random.random() < 0.6
        links = [(machine.name, other) for other in others]
        if not both and self._random.random() < 0.5:
            links = [(other, name) for name, other in links]
        await self._cut(links, both_ways=both)

    async def nodes_cannot_reach_each_other(self) -> None:
        """Cut all links between nodes; storagemasters reach all nodes."""
        names = list(self._world.nodes)
        await self._cut(list(itertools.combinations(names, 2)), both_ways=True)

    async def links_are_bad(self) -> None:
        """Delay, lose, duplicate, reset, and corrupt some messages."""
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
        """Fill a disk to its reserve or completely."""
        node = self._any_node()
        node.disk.free_bytes = self._random.choice((0, TOTAL_BYTES // 200, TOTAL_BYTES // 70))
        await self._lasts()
        self._repair_disk(node)

    async def fsyncs_fail(self) -> None:
        """Fail every fsync of a node until it is repaired."""
        node = self._any_node()
        node.disk.fsyncs_fail = True
        await self._lasts()
        if node.is_up:
            self._repair_disk(node)

    async def reads_fail(self) -> None:
        """Fail reads of a node with EIO."""
        node = self._any_node()
        node.disk.reads_fail = True
        await self._lasts()
        node.disk.reads_fail = False

    async def disk_is_slow(self) -> None:
        """Delay every operation of a disk by up to 0.6 s."""
        node = self._any_node()
        node.threads.seconds_max = 2.0
        await self._lasts()
        node.threads.seconds_max = 0.006

    # Damage, only to files with another copy.

    async def files_rot(self) -> None:
        """Flip bits, truncate or empty files, or remove digests or names."""
        node = self._any_node()
        spare = self._spares.spare_files(node)
        for path in self._random.sample(spare, min(len(spare), self._random.randint(1, 3))):
            name, change = self._random.choice(_ROT)
            node.damaged_at = self._world.ledger.now()
            node.disk.damage(path, change)
            self._fire(name, f"{path} at {node.name}")

    async def disk_invents_a_tombstone(self) -> None:
        """Create a tombstone without a request, until an operator removes it."""
        node = self._any_node()
        spare = [path for path in self._spares.spare_files(node) if "_" in path]
        if not (spare and node.is_up):
            return
        path = self._random.choice(spare)
        stem = path.rpartition(".")[0]
        length = stem.index("_") + (7 if self._random.random() < 0.5 else 0)
        tombstone = f"{stem[:length]}.gone"
        if node.disk.invent(tombstone, proof=self._random.choice(_INVALID_PROOFS) or ""):
            self._invented.append((node, tombstone))
            self._fire("invented tombstone", f"{tombstone} at {node.name}")

    async def directory_is_lost(self) -> None:
        """Remove a shard with its files."""
        node = self._any_node()
        spare = self._spares.spare_files(node)
        if spare:
            directory = self._random.choice(spare).rpartition("/")[0]
            inside = [p for p in node.disk.contents() if p.startswith(f"{directory}/")]
            if set(inside) <= set(spare):
                node.damaged_at = self._world.ledger.now()
                node.disk.damage(directory, lambda _: None)
                self._fire("lost directory", f"{directory} at {node.name}")

    async def disk_is_replaced(self) -> None:
        """Replace the disk of a node by an empty one."""
        node = self._any_node()
        if self._may_lose_vote() and self._spares.may_lose(node):
            self._change_disk(node, "emptied disk")
            node.disk.load(empty_root())
            await self._back_after_a_while(node)

    async def old_backup_returns(self) -> None:
        """Restore an old backup of a disk."""
        node = self._any_node()
        backup = node.disk.image()
        await self._lasts()
        then = type(node.disk)(lambda: 0.0, node.disk._shards)
        then.load(backup)
        if self._may_lose_vote() and self._spares.may_lose(node, but=then.contents()):
            self._change_disk(node, "old backup")
            node.disk.load(backup)
            await self._back_after_a_while(node)

    async def hints_are_deleted(self) -> None:
        """Delete the hints of a node for edges, and those for nodes that another copy replaces."""
        node = self._any_node()
        hints = [path for path in sorted(node.disk.contents()) if path.startswith(f"{HINTS}/")]
        for path in hints:
            if path.split("/")[1] in self._world.edges:
                node.disk.damage(path, lambda _: None)
            elif self._spares.has_another(node, path):
                node.damaged_at = self._world.ledger.now()
                node.disk.damage(path, lambda _: None)

    async def edge_is_down(self) -> None:
        """Take an edge down."""
        edge = self._random.choice(list(self._world.edges.values()))
        edge.is_up = False
        await self._lasts()
        edge.is_up = True

    def _may_lose_vote(self) -> bool:
        """Return True unless a majority of nodes could forget what they voted for."""
        return not (self._world.moves_volumes and self._changed_disks)

    def _change_disk(self, node: SimulatedNode, what: str) -> None:
        self._changed_disks += 1
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
        self._world.network.reconnect(*links)

    def _colo(self, machine: Machine) -> str:
        name = machine.name
        world = self._world
        if name in world.nodes:
            return str(world.nodes[NodeId(name)].node.colo)
        return "east" if name in {"m1", "edge-1"} else "west"


def _flip(contents: Contents) -> Contents:
    # A tombstone is empty, and gets a byte.
    first = contents.data[0] if contents.data else 0
    return replace(contents, data=bytes([first ^ 1]) + contents.data[1:])


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
    (Faults.disk_invents_a_tombstone, 3),
    (Faults.directory_is_lost, 2),
    (Faults.disk_is_replaced, 3),
    (Faults.old_backup_returns, 3),
    (Faults.hints_are_deleted, 1),
    (Faults.edge_is_down, 2),
)
_KINDS = [kind for kind, _ in _WEIGHTED]
_WEIGHTS = [weight for _, weight in _WEIGHTED]
