"""Races of clients: one Idempotency-Key at every storagemaster at once."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass

from drill.cluster.drill_cluster import DrillCluster
from drill.faults.evidence import Evidence
from drill.history import Outcome
from drill.load.recorded_requests import record_put
from drill.load.sample_uploads import make_originals, make_unique
from runtime.tasks_beside import run_beside

PAUSE_SECONDS = 0.5
WAIT_SECONDS_MAX = 20.0


@dataclass(frozen=True, slots=True)
class KeysRaced:
    """Clients upload each photo at all storagemasters at once, and again after the fault."""

    raced_min: int = 5

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Race new keys until the block exits, and at least until some were stored twice."""
        original = make_originals(0)[0]
        acknowledged: dict[str, int] = {}
        enough = asyncio.Event()

        async def race(key: str) -> None:
            data = make_unique(original, key)
            puts = [record_put(drill_cluster, each, key, data) for each in masters]
            outcomes = [put.outcome for put in await asyncio.gather(*puts)]
            acknowledged[key] = outcomes.count(Outcome.OK)
            if sum(count > 1 for count in acknowledged.values()) >= self.raced_min:
                enough.set()

        async def race_until_cancelled() -> None:
            for number in itertools.count():
                await race(f"raced-{number}")
                await asyncio.sleep(PAUSE_SECONDS)

        masters = list(drill_cluster.clients.items())
        async with run_beside(race_until_cancelled()):
            yield
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), WAIT_SECONDS_MAX)
        raced = sum(count > 1 for count in acknowledged.values())
        for key in acknowledged.copy():
            await race(key)
        evidence.add(
            raced >= self.raced_min,
            f"{raced} of {len(acknowledged)} keys were acknowledged by two storagemasters at once",
        )
