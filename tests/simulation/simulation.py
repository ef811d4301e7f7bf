"""One history from one seed: faults while clients are at work, then peace, then the verdict.

In the first phase anything may go wrong, and no answer may be a lie. Then all faults end, and in a
bounded time every disk must be as the promises say.
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
from tests.simulation.simulated_disk import PowerLost
from tests.simulation.simulated_node import SimulatedNode
from tests.simulation.sparse_shards import with_sparse_shards
from tests.simulation.virtual_loop import VirtualLoop
from tests.simulation.workers import work
from tests.simulation.world import World

UNREST_SECONDS = 4.0
# How long after the last fault all must be well, and how often that is looked at.
BOUND_SECONDS = 60.0
POLL_SECONDS = 2.0
SCRUB_BYTES_PER_SECOND = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one history."""

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
    """Live through the history of a seed."""
    started = time.process_time()
    loop = VirtualLoop()
    with with_sparse_shards() as shards, _quiet():
        try:
            return loop.run_until_complete(_History(seed, shards, started).live())
        finally:
            _close(loop)


class _History:
    def __init__(self, seed: int, shards: object, started: float) -> None:
        self._seed = seed
        self._shards = shards
        self._started = started

    async def live(self) -> Outcome:
        """Both phases, and the verdict."""
        loop = asyncio.get_running_loop()
        random = Random(self._seed)
        world = World(random, self._shards)  # type: ignore[arg-type]
        loop.set_exception_handler(_handler(world))
        faults, clients = Faults(world), Clients(world)
        background = [loop.create_task(work(world, f"library {n}")) for n in (1, 2)]
        busy = [loop.create_task(_be_busy(clients, random)) for _ in range(2)]
        await faults.run(until_seconds=UNREST_SECONDS)
        faults.heal()
        world.ledger.log("healed")
        healed_at = loop.time()
        await asyncio.gather(*busy)
        wrong = await _wait_until_all_is_well(world, until=healed_at + BOUND_SECONDS)
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


async def _be_busy(clients: Clients, random: Random) -> None:
    """One client's day, which ends with the unrest."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(random.random())
    doings = [clients.upload] * 5 + [clients.read] * 4
    doings += [clients.delete, clients.revoke, clients.undelete, clients.upload_twice_at_once]
    while loop.time() < UNREST_SECONDS:
        await random.choice(doings)()
        await asyncio.sleep(random.random() * 0.8)


async def _wait_until_all_is_well(world: World, *, until: float) -> list[str]:
    """What is still wrong in the end, with the nodes' scrubs running all the while."""
    loop = asyncio.get_running_loop()
    while True:
        for node in world.nodes.values():
            await _scrub(node)
        wrong = find_violations(world)
        if not wrong or loop.time() >= until:
            return wrong
        await asyncio.sleep(POLL_SECONDS)


async def _scrub(node: SimulatedNode) -> None:
    scrub = Scrub(
        node.store,
        node.threads,  # type: ignore[arg-type]
        bytes_per_second=SCRUB_BYTES_PER_SECOND,
        now_seconds=lambda: 0.0,
        sleep=_do_not_sleep,
    )
    with contextlib.suppress(NodeError, OSError):
        await scrub.run_pass()


async def _do_not_sleep(_: float) -> None:
    """A pass takes no time but the disk's."""


def _handler(
    world: World,
) -> Callable[[asyncio.AbstractEventLoop, dict[str, object]], None]:
    def handle(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        # Who asked a thread may be gone when it fails.
        if not isinstance(error, PowerLost | NodeError | OSError):
            world.ledger.add_violation(f"nobody looked at {error!r}: {context.get('message')}")

    return handle


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nobody reads what is logged here, and what is left over is swept up between histories."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        logging.disable(before)


def _close(loop: VirtualLoop) -> None:
    loop.set_exception_handler(lambda _loop, _context: None)
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
