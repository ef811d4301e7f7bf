"""Reconcile: compare the mirrors of each volume by digests, plan, and have nodes copy from nodes.

An equal pair costs a stat a shard and one request a mirror. Steps that fail are tried again in
later passes, a few times, and are listed with their reason; they never hold up the others.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runtime.crashpoint import crashpoint
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.mirrors.fleet import NodeView
from storagemaster.mirrors.mirroring import pull_seconds
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.repair.lost_digests import digest_elsewhere
from storagemaster.repair.plan import plan_shard
from storagemaster.repair.steps import (
    Conflict,
    Copy,
    Plan,
    Replace,
    ReplaceSizes,
    RestoreDigest,
    Step,
    WriteTombstone,
)
from storagemaster.repair.tasks import (
    NodePair,
    RepairProgress,
    RepairThrottle,
    Task,
    group_steps,
    step_bytes,
)
from storagenode.protocol.errors import (
    Gone,
    NodeError,
    SourceUnreachable,
    StoreNotWritable,
    Unreachable,
)
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import Pull
from volumes.cluster import NodeId
from volumes.cold_tier import ColdTier, SizeFilter
from volumes.photo_path import Info, PhotoFile, VolumeId, volume_of

log = logging.getLogger(__name__)

# Every volume is compared about this often, however many there are.
CYCLE_SECONDS = 15.0
TASKS_AT_ONCE = 8
SHARDS_AT_ONCE = 64
# What a disk that is nearly gone takes to write one small file.
FILE_SECONDS = 0.1
ATTEMPTS_MAX = 5


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """What would make one volume's mirrors equal, and which mirrors could not be asked."""

    volume: VolumeId
    plan: Plan
    unreachable: tuple[NodeId, ...]


@dataclass(slots=True)
class RepairReport:
    """What one application of a plan has done."""

    done: int = 0
    copied_bytes: int = 0
    failed: dict[Step, str] = field(default_factory=dict)


class Reconciler:
    """Makes mirrors equal, for ever."""

    def __init__(
        self,
        mirrors: Mirrors,
        tombstone_delivery: TombstoneDelivery,
        *,
        now_seconds: Callable[[], float],
        shuffle: Callable[[list[VolumeId]], None] = random.shuffle,
    ) -> None:
        self._cluster = mirrors.cluster
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet
        self._tombstone_delivery = tombstone_delivery
        self._now_seconds = now_seconds
        self._shuffle = shuffle
        self._budget = RepairThrottle(mirrors.cluster.limits.repair_bytes_per_second)
        self._attempts: dict[Step, int] = {}
        self._reasons: dict[Step, str] = {}
        self.progress = RepairProgress()
        self._waiting: list[VolumeId] = []
        self.conflicts: dict[VolumeId, tuple[Conflict, ...]] = {}
        self.failures: dict[VolumeId, dict[Step, str]] = {}

    @property
    def pause_seconds(self) -> float:
        """How long to wait between two volumes, so that all of them take one cycle."""
        return CYCLE_SECONDS / len(self._cluster.volumes)

    async def reconcile_next(self) -> None:
        """Compare the next volume and repair it."""
        if not self._waiting:
            # In another order than the other storagemasters, so that the work is shared.
            self._waiting = list(self._cluster.volumes)
            self._shuffle(self._waiting)
        await self.reconcile(self._waiting.pop())

    async def reconcile(self, volume: VolumeId, *, unthrottled: bool = False) -> RepairReport:
        """Compare one volume and repair it, within the budget unless somebody waits for it."""
        found = await self.plan(volume)
        self.conflicts[volume] = found.plan.conflicts
        if not found.unreachable:
            self._forget_settled(volume, found.plan.steps)
        report = await self.apply(found.plan, unthrottled=unthrottled)
        self.failures[volume] = report.failed
        if report.done or report.failed:
            log.info(
                "volume %s: %s steps done, %s bytes copied, %s steps failed",
                volume,
                report.done,
                report.copied_bytes,
                len(report.failed),
            )
        return report

    @property
    def given_up(self) -> dict[Step, str]:
        """The steps that failed too often to be tried again, and why they failed last."""
        return {
            step: self._reasons.get(step, "")
            for step, attempts in self._attempts.items()
            if attempts >= ATTEMPTS_MAX
        }

    def reset_failures(self, volume: VolumeId) -> None:
        """Forget how often steps of this volume have failed: somebody has seen to the cause."""
        self._attempts = {
            step: attempts for step, attempts in self._attempts.items() if step.volume != volume
        }

    async def plan(self, volume: VolumeId, *, after_recall: bool = False) -> VolumePlan:
        """What would make the mirrors equal, or would if it were thawed. Nothing is changed."""
        mirrors = self._cluster.volumes[volume].mirrors
        cold_tier = None if after_recall else self._fleet.cold_tier_of(volume)
        unequal, known = await self._unequal_shards(volume, mirrors, cold_tier)
        unreachable = tuple(node for node in mirrors if node not in known)
        shards = sorted(unequal)
        steps: list[Step] = []
        conflicts: list[Conflict] = []
        for start in range(0, len(shards), SHARDS_AT_ONCE):
            some = shards[start : start + SHARDS_AT_ONCE]
            for plan in await self._plan_shards(
                volume, some, known, cold_tier, complete=not unreachable
            ):
                steps += plan.steps
                conflicts += plan.conflicts
        return VolumePlan(volume, Plan(tuple(steps), tuple(conflicts)), unreachable)

    async def apply(self, plan: Plan, *, unthrottled: bool = False) -> RepairReport:
        """Do the steps of a plan: tombstones, then all else but infos, then infos."""
        report = RepairReport()
        gate = asyncio.Semaphore(TASKS_AT_ONCE)
        broken_links: dict[NodePair, NodeError] = {}

        async def one(task: Task) -> None:
            async with gate:
                if not unthrottled:
                    await self._budget.acquire(task)
                await self._try(task, report, broken_links)
                self.progress.count(task)

        waiting = [step for step in plan.steps if self._attempts.get(step, 0) < ATTEMPTS_MAX]
        report.failed |= {
            step: f"failed {ATTEMPTS_MAX} times and is not tried again: {self._reasons[step]}"
            for step in plan.steps
            if step not in waiting
        }
        self.progress = RepairProgress.photo_version(waiting, now_seconds=self._now_seconds())
        if any(isinstance(step, RestoreDigest) and step.is_sole_copy for step in waiting):
            await self._fleet.poll()  # to know who holds something for others now
        for turn in _PHASES:
            tasks = group_steps([step for step in waiting if turn(step)])
            await asyncio.gather(*(one(task) for task in tasks))
        return report

    def _forget_settled(self, volume: VolumeId, steps: Sequence[Step]) -> None:
        """What need not be done any more has not failed."""
        left = set(steps)
        settled = [step for step in self._attempts if step.volume == volume and step not in left]
        for step in settled:
            del self._attempts[step]
            self._reasons.pop(step, None)

    async def _unequal_shards(
        self, volume: VolumeId, mirrors: Sequence[NodeId], cold_tier: ColdTier | None
    ) -> tuple[set[str], list[NodeId]]:
        """The shards that mirrors have not the same of, and the mirrors that have said so."""
        if cold_tier is None:
            found = await self._compared(volume, mirrors, None)
            return _unequal(found), list(found)
        rest = await self._compared(volume, mirrors, SizeFilter(cold_tier.sizes, include=False))
        moved = await self._compared(volume, list(rest), SizeFilter(cold_tier.sizes, include=True))
        cold_nodes = {node: moved[node] for node in moved if node in cold_tier.cold_nodes}
        # What the others still have of the sizes that are moved must be with the keepers, too.
        others = {shard for node in moved if node not in cold_nodes for shard in moved[node]}
        return _unequal(rest) | _unequal(cold_nodes) | others, list(moved)

    async def _compared(
        self, volume: VolumeId, mirrors: Sequence[NodeId], part: SizeFilter | None
    ) -> dict[NodeId, dict[str, str]]:
        answers = await asyncio.gather(*(self._digests(node, volume, part) for node in mirrors))
        return {n: a for n, a in zip(mirrors, answers, strict=True) if a is not None}

    async def _digests(
        self, node: NodeId, volume: VolumeId, part: SizeFilter | None
    ) -> dict[str, str] | None:
        if not self._fleet.is_up(node):
            return None
        try:
            return await self._nodes[node].shard_digests(volume, part)
        except NodeError as error:
            log.warning("volume %s on %s was not compared: %s", volume, node, error)
            return None

    async def _plan_shards(
        self,
        volume: VolumeId,
        shards: Sequence[str],
        nodes: list[NodeId],
        cold_tier: ColdTier | None,
        *,
        complete: bool,
    ) -> list[Plan]:
        try:
            found = await asyncio.gather(
                *(self._nodes[node].list_shards(volume, shards) for node in nodes)
            )
        except NodeError as error:
            log.warning("shards of volume %s were not compared: %s", volume, error)
            return []
        by_node = dict(zip(nodes, found, strict=True))
        plans = []
        for shard in shards:
            listings = {node: by_shard[shard] for node, by_shard in by_node.items()}
            plans.append(plan_shard(volume, listings, complete=complete, cold_tier=cold_tier))
        return plans

    async def _try(
        self, task: Task, report: RepairReport, broken_links: dict[NodePair, NodeError]
    ) -> None:
        """Do a task, unless its way was found to be cut in this pass: each try takes a while."""
        try:
            if task.way and task.way in broken_links:
                raise broken_links[task.way]
            outcomes = await self._do(task)
        except NodeError as error:
            if isinstance(error, Unreachable):
                self._fleet.mark_down(task.node, str(error))
            elif isinstance(error, SourceUnreachable) and task.way:
                broken_links[task.way] = error
            outcomes = [error] * len(task.steps)
        for step, outcome in zip(task.steps, outcomes, strict=True):
            self._note(step, outcome, report)

    def _note(self, step: Step, outcome: NodeError | None, report: RepairReport) -> None:
        if outcome is None or isinstance(outcome, Gone):  # deleted meanwhile settles it as well
            self._attempts.pop(step, None)
            self._reasons.pop(step, None)
        if outcome is None:
            report.done += 1
            report.copied_bytes += step_bytes(step)
        elif not isinstance(outcome, Gone):
            if not isinstance(outcome, StoreNotWritable | SourceUnreachable | Unreachable):
                # A full disk and a node that is away say nothing of the file: such a step is tried
                # as often as it takes.
                self._attempts[step] = self._attempts.get(step, 0) + 1
                self._reasons[step] = str(outcome)
            report.failed[step] = str(outcome)

    async def _do(self, task: Task) -> list[NodeError | None]:
        """Do a task's steps; why each could not be done, if so."""
        node = self._nodes[task.node]
        if len(task.steps) > 1:
            pulls = [self._pull(step) for step in task.steps if isinstance(step, Copy | Replace)]
            seconds = pull_seconds(task.size_bytes) + len(pulls) * FILE_SECONDS
            return await node.pull_many(pulls, timeout_seconds=seconds)
        (step,) = task.steps
        match step:
            case WriteTombstone():
                now = int(self._now_seconds())
                await self._tombstone_delivery.write_tombstone(
                    step.node, step.tombstone, mtime_seconds=now
                )
            case RestoreDigest():
                digest = await self._lost_digest(step.file) if step.is_sole_copy else step.digest
                await node.restore_digest(Place(step.file), digest)
            case Copy() | Replace():
                await node.pull(self._pull(step), timeout_seconds=pull_seconds(step.size_bytes))
            case ReplaceSizes():
                await self._replace_sizes(step)
        return [None]

    async def _lost_digest(self, file: PhotoFile) -> str:
        """What is noted of other copies of bytes that would be believed; empty if there are none.

        Raises:
            SourceUnreachable: A node that may have one is away.
        """
        views = self._fleet.view()
        away = [node for node, view in views.items() if not view.up or view.status is None]
        if away:
            raise SourceUnreachable(f"{', '.join(away)} may have a copy that is noted, and is away")
        mirrors = self._cluster.volumes[volume_of(file)].mirrors
        mirror_clients = {node: self._nodes[node] for node in mirrors}
        holders = [self._nodes[node] for node, view in views.items() if _holds_something(view)]
        with _others_asked():
            return await digest_elsewhere(file, mirror_clients, holders)

    async def _replace_sizes(self, sizes: ReplaceSizes) -> None:
        """Replace none unless the source has all: the rest would be of another maker."""
        for step in sizes.steps:
            with _others_asked():
                await self._nodes[sizes.source].restore_digest(Place(step.file), step.digest)
        crashpoint("sizes_verified")
        for step in sizes.steps:
            pull = self._pull(step)
            seconds = pull_seconds(step.size_bytes)
            await self._nodes[sizes.node].pull(pull, timeout_seconds=seconds)
            crashpoint("size_replaced")

    def _pull(self, step: Copy | Replace) -> Pull:
        place = Place(step.file)
        source = self._nodes[step.source].url
        replaces = step.old_digest if isinstance(step, Replace) else ""
        return Pull(
            place=place, source=source, source_place=place, digest=step.digest, replaces=replaces
        )


def _holds_something(view: NodeView) -> bool:
    return view.status is not None and view.status.hints > 0


@contextlib.contextmanager
def _others_asked() -> Iterator[None]:
    """That a node does not answer is no news of the one that is to do the step."""
    try:
        yield
    except Unreachable as error:
        raise SourceUnreachable(str(error)) from error


def _unequal(found: Mapping[NodeId, Mapping[str, str]]) -> set[str]:
    shards = {shard for digests in found.values() for shard in digests}
    return {
        shard for shard in shards if len({digests.get(shard) for digests in found.values()}) > 1
    }


def _is_info(step: Step) -> bool:
    return not isinstance(step, WriteTombstone | ReplaceSizes) and isinstance(step.file, Info)


_PHASES: tuple[Callable[[Step], bool], ...] = (
    lambda step: isinstance(step, WriteTombstone),
    lambda step: not isinstance(step, WriteTombstone) and not _is_info(step),
    _is_info,
)
