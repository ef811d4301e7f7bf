"""Repair plan of a volume, in parts of some shards: what has one copy left comes first.

A part is applied before the next one is planned. So memory never has the plan of a large volume,
and no plan is older than the part before it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass

from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.repair.plan import plan_shard
from storagemaster.repair.steps import Plan, RestoreDigest, WriteTombstone
from storagemaster.repair.volume_comparison import VolumeComparison
from volumes.cluster import NodeId
from volumes.cold_tier import ColdTier
from volumes.photo_path import VolumeId

SHARDS_AT_ONCE = 64
STEPS_PER_PART_MIN = 2_048


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """Steps that make mirrors of a volume equal, and the mirrors that were not reached so far."""

    volume: VolumeId
    plan: Plan
    unreachable: tuple[NodeId, ...]
    shards: int = 0
    """Number of planned shards."""
    shards_left: int = 0
    """Number of shards that later parts plan, as far as it is known."""


class VolumePlanner:
    """Plans of volumes, from the listings of their mirrors, joining nodes, and strays."""

    def __init__(self, mirrors: Mirrors, comparison: VolumeComparison) -> None:
        self._mirrors = mirrors
        self._fleet = mirrors.fleet
        self._comparison = comparison

    async def plan(self, volume: VolumeId, *, after_recall: bool = False) -> VolumePlan:
        """Return the whole plan of a volume, now or after a recall."""
        cold_tier = None if after_recall else self._fleet.cold_tier_of(volume)
        shards, known = await self._unequal_shards(volume, cold_tier)
        found = [plans async for plans, _ in self._planned(volume, shards, known, cold_tier)]
        plans = [plan for by_shard in found for plan in by_shard.values()]
        return self._volume_plan(volume, plans, known)

    async def parts(
        self, volume: VolumeId, *, danger_first: bool = True
    ) -> AsyncGenerator[VolumePlan, None]:
        """Yield the plan of a volume in parts: what is in danger in all shards, then all others.

        Without `danger_first`, yield the parts in the order of shards. The caller applies each part
        before it takes the next one. There is at least one part.
        """
        cold_tier = self._fleet.cold_tier_of(volume)
        shards, known = await self._unequal_shards(volume, cold_tier)
        if not danger_first:
            async for plans, left in self._planned(volume, shards, known, cold_tier):
                found = plans.values()
                yield self._volume_plan(volume, found, known, shards=len(plans), shards_left=left)
            return
        later: list[str] = []
        async for plans, left in self._planned(volume, shards, known, cold_tier):
            later += [shard for shard, plan in plans.items() if plan.not_in_danger]
            endangered = [Plan(plan.in_danger, plan.conflicts) for plan in plans.values()]
            yield self._volume_plan(
                volume, endangered, known, shards=len(plans), shards_left=left + len(later)
            )
        if later:
            async for plans, left in self._planned(volume, later, known, cold_tier):
                # The first parts have settled the conflicts.
                steps = [Plan(plan.steps) for plan in plans.values()]
                yield self._volume_plan(volume, steps, known, shards=len(plans), shards_left=left)

    async def _planned(
        self,
        volume: VolumeId,
        shards: Sequence[str],
        known: list[NodeId],
        cold_tier: ColdTier | None,
    ) -> AsyncIterator[tuple[dict[str, Plan], int]]:
        """Yield the plans of some shards, and the number of shards left, until none is.

        `known` has the mirrors that were reached. The plans are of at least `STEPS_PER_PART_MIN`
        steps, except for the last ones: many small tasks at once are faster.
        """
        plans: dict[str, Plan] = {}
        left = len(shards)
        for some in _requests(shards) or [[]]:
            plans |= await self._plan_shards(volume, some, known, cold_tier)
            left -= len(some)
            if not left or sum(len(plan.steps) for plan in plans.values()) >= STEPS_PER_PART_MIN:
                yield plans, left
                plans = {}

    async def _unequal_shards(
        self, volume: VolumeId, cold_tier: ColdTier | None
    ) -> tuple[list[str], list[NodeId]]:
        nodes = [*self._mirrors.cluster.volumes[volume].homes, *self._strays_of(volume)]
        shards, known = await self._comparison.unequal_shards(volume, nodes, cold_tier)
        return sorted(shards), known

    def _strays_of(self, volume: VolumeId) -> list[NodeId]:
        return self._comparison.strays.now().get(volume, [])

    async def _plan_shards(
        self,
        volume: VolumeId,
        shards: Sequence[str],
        known: list[NodeId],
        cold_tier: ColdTier | None,
    ) -> dict[str, Plan]:
        """Return the plan of each shard, and remove the mirrors without a listing from `known`."""
        if not shards:
            return {}
        listed = await self._comparison.list_shards(volume, shards, known)
        known[:] = listed
        homes, strays = self._mirrors.cluster.volumes[volume].homes, self._strays_of(volume)
        plans = {
            shard: plan_shard(
                volume,
                {node: by_shard[shard] for node, by_shard in listed.items()},
                complete=set(known).issuperset((*homes, *strays)),
                cold_tier=cold_tier,
            )
            for shard in shards
        }
        return {shard: without_copies_to(strays, plan) for shard, plan in plans.items()}

    def _volume_plan(
        self,
        volume: VolumeId,
        plans: Iterable[Plan],
        known: Sequence[NodeId],
        *,
        shards: int = 0,
        shards_left: int = 0,
    ) -> VolumePlan:
        plans = list(plans)
        joined = Plan(
            tuple(step for plan in plans for step in plan.steps),
            tuple(conflict for plan in plans for conflict in plan.conflicts),
        )
        mirrors = self._mirrors.cluster.volumes[volume].mirrors
        unreachable = tuple(node for node in mirrors if node not in known)
        return VolumePlan(volume, joined, unreachable, shards, shards_left)


def without_copies_to(strays: Collection[NodeId], plan: Plan) -> Plan:
    """Return a plan that adds no files to strays. They get tombstones, and lost digests back."""
    kept = (
        step
        for step in plan.steps
        if step.node not in strays or isinstance(step, WriteTombstone | RestoreDigest)
    )
    return Plan(tuple(kept), plan.conflicts)


def _requests(shards: Sequence[str]) -> list[Sequence[str]]:
    return [shards[at : at + SHARDS_AT_ONCE] for at in range(0, len(shards), SHARDS_AT_ONCE)]
