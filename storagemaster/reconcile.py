"""Reconcile: compare the mirrors of each volume by digests, plan, and have nodes copy from nodes.

An equal pair costs a stat a shard and one request a mirror. Steps that fail are tried again in
later passes, a few times, and are listed with their reason; they never hold up the others.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from storagemaster.burying import Burying
from storagemaster.fleet import Fleet
from storagemaster.mirroring import pull_seconds
from storagemaster.repair_plan import Adopt, Bury, Conflict, Copy, Plan, Replace, Step, plan_shard
from storagenode.client import NodeClient
from storagenode.errors import DiskRefused, Gone, NodeError, Unreachable
from storagenode.layout import Place
from storagenode.wire import Pull
from volumes.cluster import Cluster, NodeId
from volumes.photo_path import Info, VolumeId

log = logging.getLogger(__name__)

# Every volume is compared about this often, however many there are.
CYCLE_SECONDS = 15.0
STEPS_AT_ONCE = 8
ATTEMPTS_MAX = 5


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """What would make one volume's mirrors equal, and which mirrors could not be asked."""

    volume: VolumeId
    plan: Plan
    unknown: tuple[NodeId, ...]


@dataclass(slots=True)
class RepairReport:
    """What one application of a plan has done."""

    done: int = 0
    copied_bytes: int = 0
    failed: dict[Step, str] = field(default_factory=dict)


class Reconcile:
    """Makes mirrors equal, for ever."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Mapping[NodeId, NodeClient],
        fleet: Fleet,
        burying: Burying,
        *,
        now_seconds: Callable[[], float],
        shuffle: Callable[[list[VolumeId]], None] = random.shuffle,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet
        self._burying = burying
        self._now_seconds = now_seconds
        self._shuffle = shuffle
        self._attempts: dict[Step, int] = {}
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

    async def reconcile(self, volume: VolumeId) -> RepairReport:
        """Compare one volume and repair it."""
        found = await self.plan(volume)
        self.conflicts[volume] = found.plan.conflicts
        report = await self.apply(found.plan)
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

    def try_again(self, volume: VolumeId) -> None:
        """Forget how often steps of this volume have failed: somebody has seen to the cause."""
        self._attempts = {
            step: attempts for step, attempts in self._attempts.items() if step.volume != volume
        }

    async def plan(self, volume: VolumeId) -> VolumePlan:
        """What would make the mirrors equal. Nothing is changed."""
        mirrors = self._cluster.volumes[volume].mirrors
        answers = await asyncio.gather(*(self._digests(node, volume) for node in mirrors))
        digests = {n: a for n, a in zip(mirrors, answers, strict=True) if a is not None}
        unknown = tuple(node for node in mirrors if node not in digests)
        shards = sorted({shard for found in digests.values() for shard in found})
        steps: list[Step] = []
        conflicts: list[Conflict] = []
        for shard in shards:
            if len({found.get(shard) for found in digests.values()}) > 1:
                plan = await self._plan_shard(volume, shard, list(digests), complete=not unknown)
                steps += plan.steps
                conflicts += plan.conflicts
        return VolumePlan(volume, Plan(tuple(steps), tuple(conflicts)), unknown)

    async def apply(self, plan: Plan) -> RepairReport:
        """Do the steps of a plan: tombstones, then all else but infos, then infos."""
        report = RepairReport()
        gate = asyncio.Semaphore(STEPS_AT_ONCE)

        async def one(step: Step) -> None:
            async with gate:
                await self._try(step, report)

        waiting = [step for step in plan.steps if self._attempts.get(step, 0) < ATTEMPTS_MAX]
        for turn in _TURNS:
            await asyncio.gather(*(one(step) for step in waiting if turn(step)))
        return report

    async def _digests(self, node: NodeId, volume: VolumeId) -> dict[str, str] | None:
        if not self._fleet.is_up(node):
            return None
        try:
            return await self._nodes[node].shard_digests(volume)
        except NodeError as error:
            log.warning("volume %s on %s was not compared: %s", volume, node, error)
            return None

    async def _plan_shard(
        self, volume: VolumeId, shard: str, nodes: list[NodeId], *, complete: bool
    ) -> Plan:
        try:
            found = await asyncio.gather(
                *(self._nodes[node].list_shard(volume, shard) for node in nodes)
            )
        except NodeError as error:
            log.warning("shard %s/%s was not compared: %s", volume, shard, error)
            return Plan()
        return plan_shard(volume, dict(zip(nodes, found, strict=True)), complete=complete)

    async def _try(self, step: Step, report: RepairReport) -> None:
        try:
            await self._do(step)
        except Gone:
            self._attempts.pop(step, None)  # deleted meanwhile, which settles it
        except NodeError as error:
            if isinstance(error, Unreachable):
                self._fleet.report_unreachable(step.node, str(error))
            elif not isinstance(error, DiskRefused):
                # A full disk says nothing of the file: that step is tried as often as it takes.
                self._attempts[step] = self._attempts.get(step, 0) + 1
            report.failed[step] = str(error)
        else:
            self._attempts.pop(step, None)
            report.done += 1
            if isinstance(step, Copy | Replace):
                report.copied_bytes += step.size_bytes

    async def _do(self, step: Step) -> None:
        node = self._nodes[step.node]
        match step:
            case Bury():
                now = int(self._now_seconds())
                await self._burying.bury(step.node, step.tombstone, mtime_seconds=now)
            case Adopt():
                await node.adopt(Place(step.file), step.digest)
            case Replace():
                # What is set aside was never the bytes that the other mirrors have.
                await node.quarantine(Place(step.file))
                await node.pull(self._pull(step), timeout_seconds=pull_seconds(step.size_bytes))
            case Copy():
                await node.pull(self._pull(step), timeout_seconds=pull_seconds(step.size_bytes))

    def _pull(self, step: Copy | Replace) -> Pull:
        place = Place(step.file)
        source = self._nodes[step.source].url
        return Pull(place=place, source=source, source_place=place, digest=step.digest)


def _is_info(step: Step) -> bool:
    return not isinstance(step, Bury) and isinstance(step.file, Info)


_TURNS: tuple[Callable[[Step], bool], ...] = (
    lambda step: isinstance(step, Bury),
    lambda step: not isinstance(step, Bury) and not _is_info(step),
    _is_info,
)
