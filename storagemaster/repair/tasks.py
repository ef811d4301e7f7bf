"""Repair tasks: the steps of a plan in groups, their progress, and the budget of bytes a second.

Small files between the same two nodes are copied together. Reads of photos come before repair, so
repair has a budget.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storagemaster.repair.steps import Copy, Replace, RestoreDigest, Step, WriteTombstone
from storagenode.protocol.batch_wire import BATCH_BYTES_MAX, BATCH_FILES_MAX, FILE_BYTES_MAX
from volumes.cluster import NodeId

# A small file costs a disk as much as this many bytes do.
STEP_BYTES_MIN = 64 * 1024
# An unused budget is kept for this long.
BURST_SECONDS_MAX = 1.0

NodePair = tuple[NodeId, NodeId]
"""From the node that sends to the one that fetches."""


@dataclass(frozen=True, slots=True)
class Task:
    """Steps of one node that are one request: any step alone, or small copies from one source."""

    steps: tuple[Step, ...]

    @property
    def node(self) -> NodeId:
        """The node that is to do it."""
        return self.steps[0].node

    @property
    def way(self) -> NodePair | None:
        """The way that its copies go; None if it copies nothing."""
        first = self.steps[0]
        return (
            None
            if isinstance(first, RestoreDigest | WriteTombstone)
            else (first.source, first.node)
        )

    @property
    def size_bytes(self) -> int:
        """How much it copies."""
        return sum(map(step_bytes, self.steps))


@dataclass(slots=True)
class RepairProgress:
    """How far the repair of a plan is."""

    steps_total: int = 0
    bytes_total: int = 0
    steps: int = 0
    bytes: int = 0
    started_seconds: float = 0.0

    @classmethod
    def photo_version(cls, steps: Sequence[Step], *, now_seconds: float) -> "RepairProgress":
        """The progress of steps of which none is done yet."""
        return cls(len(steps), sum(map(step_bytes, steps)), started_seconds=now_seconds)

    def count(self, task: Task) -> None:
        """A task has ended, well or not."""
        self.steps += len(task.steps)
        self.bytes += task.size_bytes

    def seconds_left(self, *, now_seconds: float) -> float | None:
        """How long the rest takes at the pace so far; None while that cannot be told."""
        if not self.steps:
            return None if self.steps_total else 0.0
        return (now_seconds - self.started_seconds) * (self.steps_total - self.steps) / self.steps


class RepairThrottle:
    """Rate limiter for background repair: delays a task until its bytes fit the budget."""

    def __init__(self, bytes_per_second: int) -> None:
        self._bytes_per_second = bytes_per_second
        self._free_at: float | None = None

    async def acquire(self, task: Task) -> None:
        """Return when the task may begin."""
        now = asyncio.get_running_loop().time()
        cost_bytes = max(task.size_bytes, STEP_BYTES_MIN * len(task.steps))
        earliest = now - BURST_SECONDS_MAX
        begins = max(self._free_at if self._free_at is not None else earliest, earliest)
        self._free_at = begins + cost_bytes / self._bytes_per_second
        if begins > now:
            await asyncio.sleep(begins - now)


def step_bytes(step: Step) -> int:
    """How much a step copies."""
    return 0 if isinstance(step, RestoreDigest | WriteTombstone) else step.size_bytes


def group_steps(steps: Iterable[Step]) -> list[Task]:
    """The steps in their order, small copies between the same two nodes put together."""
    tasks: list[Task] = []
    open_batches: dict[tuple[NodeId, NodeId], list[Step]] = {}
    for step in steps:
        if not isinstance(step, Copy | Replace) or step.size_bytes > FILE_BYTES_MAX:
            tasks.append(Task((step,)))
            continue
        batch = open_batches.setdefault((step.node, step.source), [])
        full = sum(map(step_bytes, batch)) + step.size_bytes > BATCH_BYTES_MAX
        if full or len(batch) == BATCH_FILES_MAX:
            tasks.append(Task(tuple(batch)))
            batch.clear()
        batch.append(step)
    return tasks + [Task(tuple(batch)) for batch in open_batches.values() if batch]
