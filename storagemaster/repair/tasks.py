"""Tasks of a repair: steps that are one request to a node, and their throttle."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from runtime.byte_budget import ByteBudget
from storagemaster.repair.steps import (
    Copy,
    QuarantineInfo,
    Replace,
    RestoreDigest,
    Step,
    WriteTombstone,
)
from storagenode.protocol.batch_wire import BATCH_BYTES_MAX, BATCH_FILES_MAX, FILE_BYTES_MAX
from volumes.cluster import NodeId

# A small file costs a disk as much as this many bytes.
STEP_BYTES_MIN = 64 * 1024

Link = tuple[NodeId, NodeId]
"""The node that sends, and the node that pulls."""


@dataclass(frozen=True, slots=True)
class Task:
    """Steps that are one request to one node: any single step, or small copies from one source."""

    steps: tuple[Step, ...]

    @property
    def node(self) -> NodeId:
        """The node that does the work."""
        return self.steps[0].node

    @property
    def link(self) -> Link | None:
        """The link that the copies use, or None if the task copies nothing."""
        first = self.steps[0]
        if isinstance(first, RestoreDigest | WriteTombstone | QuarantineInfo):
            return None
        return first.source, first.node

    @property
    def size_bytes(self) -> int:
        """The bytes that all steps copy."""
        return sum(step.size_bytes for step in self.steps)

    @property
    def budget_bytes(self) -> int:
        """The bytes of the repair budget that the task uses."""
        return max(self.size_bytes, STEP_BYTES_MIN * len(self.steps))


def group_steps(steps: Iterable[Step]) -> list[Task]:
    """Return the steps as tasks in their order, with small copies on one link batched."""
    tasks: list[Task] = []
    open_batches: dict[Link, list[Step]] = {}
    for step in steps:
        if not isinstance(step, Copy | Replace) or step.size_bytes > FILE_BYTES_MAX:
            tasks.append(Task((step,)))
            continue
        batch = open_batches.setdefault((step.source, step.node), [])
        full = sum(each.size_bytes for each in batch) + step.size_bytes > BATCH_BYTES_MAX
        if full or len(batch) == BATCH_FILES_MAX:
            tasks.append(Task(tuple(batch)))
            batch.clear()
        batch.append(step)
    return tasks + [Task(tuple(batch)) for batch in open_batches.values() if batch]


class RepairThrottle:
    """Rate limiter for background repair: delays a task until its bytes fit the budget."""

    def __init__(self, bytes_per_second: int) -> None:
        self._budget = ByteBudget(bytes_per_second, clock=_loop_seconds)

    async def acquire(self, task: Task) -> None:
        """Wait until the budget allows the task to begin."""
        if (seconds := self._budget.use(task.budget_bytes)) > 0.0:
            await asyncio.sleep(seconds)


def _loop_seconds() -> float:
    return asyncio.get_running_loop().time()
