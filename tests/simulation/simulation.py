"""One history from one seed.

Faults occur while clients run, and each response is checked at once. Then all faults end, and the
cluster must converge within a bounded time.
"""

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from storagenode.protocol.errors import NodeError
from storagenode.upkeep.scrub import Scrub
from tests.simulation.clients import Clients
from tests.simulation.faults import Faults
from tests.simulation.final_state import find_violations
from tests.simulation.map_client import MapClient, find_unfinished_moves, watch_copies
from tests.simulation.resumable_client import ResumableClient
from tests.simulation.simulated_disk import PowerLost
from tests.simulation.simulated_node import SimulatedNode
from tests.simulation.sparse_shards import with_sparse_shards
from tests.simulation.virtual_loop import VirtualLoop
from tests.simulation.workers import work
from tests.simulation.world import World

FAULT_SECONDS = 4.0
# Each of these has a client that uploads in parts.
RESUMING_SEEDS = 10
# Limit for convergence after the last fault, and the interval between checks.
BOUND_SECONDS = 60.0
POLL_SECONDS = 2.0
SCRUB_BYTES_PER_SECOND = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Result of one history."""

    seed: int
    digest: str
    violations: tuple[str, ...]
    faults: tuple[str, ...]
    messages: int
    virtual_seconds: float
    healed_seconds: float
    cpu_seconds: float
    lines: tuple[str, ...]


def simulate(seed: int) -> Outcome:
    """Run the history of a seed."""
    started = time.process_time()
    loop = VirtualLoop()
    with with_sparse_shards() as shards, _without_logs():
        try:
            return loop.run_until_complete(_History(seed, shards, started).run())
        finally:
            close_loop(loop)


class _History:
    def __init__(self, seed: int, shards: object, started: float) -> None:
        self._seed = seed
        self._shards = shards
        self._started = started

    async def run(self) -> Outcome:
        """Run both phases, and return the result."""
        loop = asyncio.get_running_loop()
        random = Random(self._seed)
        world = World(random, self._shards)  # type: ignore[arg-type]
        loop.set_exception_handler(_handler(world))
        faults, clients = Faults(world), Clients(world)
        background = [loop.create_task(work(world, f"library {n}")) for n in (1, 2)]
        busy = [loop.create_task(_run_client(clients, random)) for _ in range(2)]
        if self._seed % RESUMING_SEEDS == 0:
            busy.append(loop.create_task(_run_resuming(ResumableClient(clients, random), random)))
        if world.moves_volumes:
            busy.append(loop.create_task(_run_moves(MapClient(clients, random), random)))
            background.append(loop.create_task(watch_copies(world)))
        await faults.run(until_seconds=FAULT_SECONDS)
        faults.heal()
        world.ledger.log("all faults ended")
        healed_at = loop.time()
        await asyncio.gather(*busy)
        wrong = await _wait_until_converged(world, until=healed_at + BOUND_SECONDS)
        for each in wrong:
            world.ledger.add_violation(each)
        for task in background:
            task.cancel()
        ledger = world.ledger
        return Outcome(
            seed=self._seed,
            digest=ledger.log_digest(),
            violations=tuple(ledger.violations),
            faults=tuple(faults.fired),
            messages=world.network.messages,
            virtual_seconds=loop.time(),
            healed_seconds=loop.time() - healed_at,
            cpu_seconds=time.process_time() - self._started,
            lines=tuple(ledger.lines),
        )


async def _run_client(clients: Clients, random: Random) -> None:
    """Run random operations of one client until the faults end."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(random.random())
    operations = [clients.upload] * 5 + [clients.read] * 4
    operations += [clients.delete, clients.revoke, clients.undelete, clients.race]
    while loop.time() < FAULT_SECONDS:
        await random.choice(operations)()
        await asyncio.sleep(random.random() * 0.8)


async def _run_resuming(client: ResumableClient, random: Random) -> None:
    """Upload in parts until the faults end."""
    loop = asyncio.get_running_loop()
    while loop.time() < FAULT_SECONDS:
        await client.upload()
        await asyncio.sleep(random.random() * 0.5)


async def _run_moves(client: MapClient, random: Random) -> None:
    """Begin and cancel moves until the faults end."""
    loop = asyncio.get_running_loop()
    while loop.time() < FAULT_SECONDS:
        await asyncio.sleep(random.random() * 1.5)
        await client.change()


async def _wait_until_converged(world: World, *, until: float) -> list[str]:
    """Scrub and poll until no rule is violated; return the last violations at the time limit."""
    loop = asyncio.get_running_loop()
    while True:
        for node in world.nodes.values():
            await _scrub(node)
        wrong = [*find_violations(world), *find_unfinished_moves(world)]
        if not wrong or loop.time() >= until:
            return wrong
        await asyncio.sleep(POLL_SECONDS)


async def _scrub(node: SimulatedNode) -> None:
    scrub = Scrub(
        node.store,
        node.threads,  # type: ignore[arg-type]
        bytes_per_second=SCRUB_BYTES_PER_SECOND,
        now_seconds=lambda: 0.0,
        sleep=_skip_sleep,
    )
    with contextlib.suppress(NodeError, OSError):
        await scrub.run_pass()


async def _skip_sleep(_: float) -> None:
    """Return at once: a pass takes only the time of its reads."""


def _handler(
    world: World,
) -> Callable[[asyncio.AbstractEventLoop, dict[str, object]], None]:
    def handle(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        # The caller of a thread may be cancelled before the thread fails.
        if not isinstance(error, PowerLost | NodeError | OSError):
            world.ledger.add_violation(f"unhandled {error!r}: {context.get('message')}")

    return handle


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    """Disable logging and garbage collection until the block exits."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        logging.disable(before)


def close_loop(loop: VirtualLoop) -> None:
    """Cancel all tasks of a loop, and close it."""
    loop.set_exception_handler(lambda _loop, _context: None)
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
