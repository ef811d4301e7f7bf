"""Reconciliation of mirrors: compare digests, plan the repair, and apply its steps.

Equal mirrors cost one small answer of each. Nodes copy files directly from
each other. Later passes retry a failed step a few times, and then report it with its reason. A
failed step never delays other steps.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.settling import Settling
from storagemaster.repair.cycle import Cycle
from storagemaster.repair.danger import by_danger
from storagemaster.repair.left_volumes import LeftVolumes
from storagemaster.repair.progress import RepairProgress
from storagemaster.repair.settlement import Settlements
from storagemaster.repair.steps import (
    PHASES,
    Conflict,
    Plan,
    RestoreDigest,
    Step,
)
from storagemaster.repair.task_runs import TaskRuns
from storagemaster.repair.tasks import Link, RepairThrottle, Task, group_steps
from storagemaster.repair.volume_comparison import VolumeComparison
from storagemaster.repair.volume_plan import VolumePlan, VolumePlanner
from storagenode.protocol.errors import (
    Gone,
    NodeError,
    SourceUnreachable,
    StoreNotWritable,
    Throttled,
    UnprovenTombstone,
    Unreachable,
)
from volumes.cluster import NodeId
from volumes.photo_path import VolumeId, volume_of

log = logging.getLogger(__name__)

TASKS_AT_ONCE = 8
ATTEMPTS_MAX = 5
# A full disk, an unreachable node, and a tombstone that an operator has to remove: retry without
# limit.
NOT_OF_THE_FILE = (StoreNotWritable, SourceUnreachable, Unreachable, UnprovenTombstone)


@dataclass(slots=True)
class RepairReport:
    """Result of applying a plan. `failed` maps each failed step to its reason."""

    done: int = 0
    copied_bytes: int = 0
    failed: dict[Step, str] = field(default_factory=dict)
    broken_links: dict[Link, NodeError] = field(default_factory=dict)
    """The links that failed: each further attempt would cost a timeout."""
    throttled: set[NodeId] = field(default_factory=set)
    """The nodes that receive no more of moves at present. Their steps are left to a later pass."""
    unthrottled: bool = False
    is_counted: bool = True
    """True if the progress of the repair has its tasks."""


class Reconciler:
    """The comparison and repair of all volumes, and the steps that failed."""

    def __init__(
        self,
        mirrors: Mirrors,
        tombstone_delivery: TombstoneDelivery,
        settlements: Settlements,
        *,
        settling: Settling,
        now_seconds: Callable[[], float],
        shuffle: Callable[[list[VolumeId]], None] = random.shuffle,
    ) -> None:
        self._mirrors = mirrors
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet
        self.comparison = VolumeComparison(mirrors)
        self._planner = VolumePlanner(mirrors, self.comparison)
        self._tombstone_delivery = tombstone_delivery
        self._settling = settling
        self._seen_fault = 0
        self._now_seconds = now_seconds
        self._shuffle = shuffle
        self._throttle = RepairThrottle(mirrors.cluster.limits.repair_bytes_per_second)
        self._runs = TaskRuns(mirrors, tombstone_delivery)
        self._failed: dict[Step, tuple[int, str]] = {}
        self.progress = RepairProgress()
        self._cycle = Cycle(mirrors, shuffle=shuffle)
        self._left = LeftVolumes(mirrors, self.comparison, settling, now_seconds=now_seconds)
        self.settlements = settlements
        self.conflicts: dict[VolumeId, tuple[Conflict, ...]] = {}

    @property
    def pause_seconds(self) -> float:
        """The pause between two passes, so that all volumes take one cycle."""
        return self._cycle.pause_seconds

    async def reconcile_next(self) -> None:
        """Compare the next volumes and repair them; first all volumes that a fault has touched."""
        if touched := self._touched():
            await self._reconcile_some(touched)
        some = self._cycle.next()
        # Volumes that others repair are compared again soon.
        left = self._left.some(self._cycle.volumes_per_pass, without=some)
        await self._reconcile_some([*some, *left])

    async def _reconcile_some(self, volumes: Sequence[VolumeId]) -> None:
        """Repair the volumes that differ, those with the fewest copies first.

        Volumes that a fault touches meanwhile join them.
        """
        waiting = by_danger(await self._find_unequal(volumes), self.comparison.copies_of)
        repaired: set[VolumeId] = set()
        while waiting:
            self._begin(waiting)
            repaired.add(waiting[0])
            await self.reconcile(waiting.pop(0))
            touched = self._touched()
            if fresh := [volume for volume in touched if volume not in repaired]:
                joined = dict.fromkeys([*waiting, *await self._find_unequal(fresh)])
                waiting = by_danger(joined, self.comparison.copies_of)
            if len(fresh) < len(touched):
                # The next call repairs them again; a node that fails all the time delays no other.
                self._seen_fault = 0

    async def _find_unequal(self, volumes: Sequence[VolumeId]) -> list[VolumeId]:
        """Return the volumes to repair, and record the comparison of the others."""
        begun = self._settling.begin()
        equal = await self.comparison.find_equal(volumes)
        for volume in equal:
            self.forget_failures(volume)
            self.conflicts.pop(volume, None)
            self._left.forget(volume)
            self._settling.record_comparison(self._mirrors.cluster.volumes[volume], begun=begun)
        unequal = []
        for volume in volumes:
            if volume not in equal:
                if self._left.is_left(volume):
                    await self._left.observe(volume)
                else:
                    unequal.append(volume)
        return unequal

    def _begin(self, waiting: Sequence[VolumeId]) -> None:
        """Begin the progress of the first of the volumes that wait."""
        self.progress.begin_volume(
            now_seconds=self._now_seconds(),
            volumes_left=len(waiting),
            waiting_bytes=sum(map(self.comparison.missing_bytes_of, waiting[1:])),
        )

    def _touched(self) -> list[VolumeId]:
        """Return the volumes whose mirrors are up again and were not compared since."""
        last_fault = self._fleet.last_fault
        if last_fault == self._seen_fault:
            return []
        self._seen_fault = last_fault
        touched = [
            number
            for number, volume in self._mirrors.cluster.volumes.items()
            if all(map(self._fleet.is_up, volume.mirrors))
            and self._settling.needs_comparison(volume)
        ]
        self._shuffle(touched)
        return touched

    async def reconcile(self, volume: VolumeId, *, unthrottled: bool = False) -> RepairReport:
        """Compare one volume and repair it. An operator's request runs `unthrottled`."""
        if not self.progress.volumes_left:
            self._begin([volume])
        begun = self._settling.begin()
        report = RepairReport()
        planned_again: set[Step] = set()
        unsettled: list[Conflict] = []
        unreachable: tuple[NodeId, ...] = ()
        unfinished = 0
        try:
            async for part in self._planner.parts(volume):
                planned_again.update(step for step in part.plan.steps if step in self._failed)
                # The next pass compares files whose digests were restored, and settled originals.
                unfinished += sum(isinstance(step, RestoreDigest) for step in part.plan.steps)
                unfinished += len(part.plan.conflicts)
                self.progress.plan(
                    part.plan.steps, shards=part.shards, shards_left=part.shards_left
                )
                await self.apply(part.plan, report, unthrottled=unthrottled)
                if report.throttled:
                    unfinished += 1
                    break
                left = await self.settlements.settle_all(part.plan.conflicts)
                report.done += len(part.plan.conflicts) - len(left)
                unsettled += left
                unreachable = part.unreachable
        finally:
            self.progress.end_volume()
        if not unreachable and not report.throttled:
            self.forget_failures(volume, keep={*planned_again, *report.failed})
        self.conflicts[volume] = tuple(unsettled)
        self._settling.record_comparison(
            self._mirrors.cluster.volumes[volume],
            begun=begun,
            unreachable=unreachable,
            failed_steps=len(report.failed) or unfinished,
        )
        if report.done or report.failed:
            log.info(
                "volume %s: %s steps done, %s bytes copied, %s steps failed",
                *(volume, report.done, report.copied_bytes, len(report.failed)),
            )
        return report

    async def fill(self, volume: VolumeId) -> RepairReport:
        """Copy what the joining nodes of a volume lack, until their budgets are used up."""
        report = RepairReport(is_counted=False)
        async with contextlib.aclosing(self._planner.parts(volume, danger_first=False)) as parts:
            async for part in parts:
                await self.apply(part.plan, report)
                await self.settlements.settle_all(part.plan.conflicts)
                if report.throttled:
                    break
        return report

    @property
    def given_up(self) -> dict[Step, str]:
        """The steps that failed too often to be retried, with the reason of the last failure."""
        return {
            step: reason
            for step, (attempts, reason) in self._failed.items()
            if attempts >= ATTEMPTS_MAX
        }

    def forget_failures(self, volume: VolumeId, *, keep: Iterable[Step] = ()) -> None:
        """Forget the failed attempts at steps of a volume, except at the steps to keep."""
        kept = set(keep)
        self._failed = {
            step: failure
            for step, failure in self._failed.items()
            if volume_of(step.file) != volume or step in kept
        }

    async def plan(self, volume: VolumeId, *, after_recall: bool = False) -> VolumePlan:
        """Return the plan that makes the mirrors equal, now or after a recall; change nothing."""
        return await self._planner.plan(volume, after_recall=after_recall)

    async def apply(
        self, plan: Plan, report: RepairReport | None = None, *, unthrottled: bool = False
    ) -> RepairReport:
        """Apply the steps of a plan: tombstones first, infos last, everything else between.

        Steps that the report of an earlier part has as failed are not tried again.
        """
        report = RepairReport() if report is None else report
        report.unthrottled = unthrottled
        gate = asyncio.Semaphore(TASKS_AT_ONCE)

        async def one(task: Task) -> None:
            async with gate:
                if not unthrottled and not self._runs.is_move(task):
                    await self._throttle.acquire(task)
                await self._try(task, report)

        given_up = self.given_up
        report.failed |= {
            step: f"not retried after {ATTEMPTS_MAX} failed attempts: {given_up[step]}"
            for step in plan.steps
            if step in given_up
        }
        waiting = [step for step in plan.steps if step not in report.failed]
        if any(isinstance(step, RestoreDigest) and step.is_sole_copy for step in waiting):
            await self._fleet.poll()  # refreshes the counts of hints
        for is_in_phase in PHASES:
            tasks = group_steps([step for step in waiting if is_in_phase(step)])
            await asyncio.gather(*(one(task) for task in tasks))
        return report

    async def _try(self, task: Task, report: RepairReport) -> None:
        """Run a task, unless its link failed in this pass: each attempt costs a timeout."""
        if task.node in report.throttled and self._runs.is_move(task):
            return
        try:
            if task.link and task.link in report.broken_links:
                raise report.broken_links[task.link]
            outcomes = await self._runs.run(task, unthrottled=report.unthrottled)
        except Throttled:
            report.throttled.add(task.node)
            return
        except NodeError as error:
            if isinstance(error, Unreachable):
                self._fleet.mark_down(task.node, str(error))
            elif isinstance(error, SourceUnreachable) and task.link:
                report.broken_links[task.link] = error
            outcomes = [error] * len(task.steps)
        for step, outcome in zip(task.steps, outcomes, strict=True):
            self._record(step, outcome, report)
        if report.is_counted:
            self.progress.count(task)

    def _record(self, step: Step, outcome: NodeError | None, report: RepairReport) -> None:
        if outcome is None or isinstance(outcome, Gone):  # a delete resolves the step as well
            self._failed.pop(step, None)
            if outcome is None:
                report.done += 1
                report.copied_bytes += step.size_bytes
            return
        if not isinstance(outcome, NOT_OF_THE_FILE):
            attempts, _ = self._failed.get(step, (0, ""))
            self._failed[step] = (attempts + 1, str(outcome))
        report.failed[step] = str(outcome)
