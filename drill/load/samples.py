"""Samples of a drill, every half second: results of clients, and the cluster's status."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from drill.cluster.drill_cluster import DrillCluster
from drill.history import SECOND, Op, Operation, Outcome, now_ns
from runtime.tasks_beside import run_beside

SAMPLE_SECONDS = 0.5
STATUS_SECONDS_MAX = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Half a second of a drill. A value is None if no storagemaster reported it."""

    second: float
    reads_ok: int
    reads_failed: int
    writes_ok: int
    writes_failed: int
    pending_hints: int | None
    nodes_up: int | None
    jobs: int | None


class Sampler:
    """Sampler of a running drill."""

    def __init__(self, drill_cluster: DrillCluster, samples: list[Sample]) -> None:
        self._drill_cluster = drill_cluster
        self._samples = samples
        self._counted = 0
        self._begun_ns = now_ns()

    @contextlib.asynccontextmanager
    async def running(self, watch: Callable[[str, list[Sample]], None]) -> AsyncIterator[None]:
        """Sample until the block exits; call `watch` after each sample."""

        async def repeat() -> None:
            while True:
                await asyncio.sleep(SAMPLE_SECONDS)
                self._samples.append(await self._sample())
                watch("running", self._samples)

        async with run_beside(repeat()):
            yield

    async def _sample(self) -> Sample:
        fresh = self._drill_cluster.history.operations[self._counted :]
        self._counted += len(fresh)
        reads = [each for each in fresh if each.op is Op.GET and each.permitted]
        writes = [each for each in fresh if each.op in {Op.PUT, Op.DELETE, Op.REVOKE}]
        status = await self._status()
        queue = status.get("queues") or {}
        return Sample(
            second=(now_ns() - self._begun_ns) / SECOND,
            reads_ok=sum(not is_failed_read(each) for each in reads),
            reads_failed=sum(is_failed_read(each) for each in reads),
            writes_ok=sum(each.outcome is Outcome.OK for each in writes),
            writes_failed=sum(each.outcome is Outcome.INFO for each in writes),
            pending_hints=status.get("pending_hints"),
            nodes_up=sum(node["up"] for node in status["nodes"]) if "nodes" in status else None,
            jobs=sum(queue.values()) if status.get("queues") is not None else None,
        )

    async def _status(self) -> dict[str, Any]:
        for client in self._drill_cluster.clients.values():
            with contextlib.suppress(Exception):
                async with asyncio.timeout(STATUS_SECONDS_MAX):
                    return await client.status()
        return {}


def is_failed_read(get: Operation) -> bool:
    """Return True if a read got neither a photo nor a 404 or 410."""
    return get.status not in {200, 404, 410}
