"""Reconcile on demand, as documents: the plan of a volume, and what became of it."""

import itertools
import re
from typing import Any

from storagemaster.errors import UnknownVolume
from storagemaster.repair.reconcile import Reconciler, VolumePlan
from storagemaster.repair.steps import Conflict, RestoreDigest, Step, WriteTombstone
from volumes.cluster import Cluster
from volumes.photo_path import VolumeId, render_path

# A file that had no digest is compared in a second round, and copied in a third.
ROUNDS_MAX = 3
UNHEALED_SHOWN_MAX = 100
NOT_ATTEMPTED = "was found only when the others were done; repair again"


class Repairs:
    """Answers for repairs of single volumes."""

    def __init__(self, cluster: Cluster, reconcile: Reconciler) -> None:
        self._cluster = cluster
        self._reconcile = reconcile

    async def plan(self, volume: VolumeId, *, after_recall: bool = False) -> dict[str, Any]:
        """What would make the mirrors equal, or would if it were thawed; nothing is changed.

        Raises:
            UnknownVolume: There is no such volume.
        """
        self._refuse_unknown(volume)
        found = await self._reconcile.plan(volume, after_recall=after_recall)
        return {
            "volume": volume,
            "equal": _is_equal(found),
            "unreachable": list(found.unreachable),
            "copy_bytes": found.plan.copy_bytes,
            "steps": [step_document(step) for step in found.plan.steps],
            "conflicts": [conflict_document(conflict) for conflict in found.plan.conflicts],
        }

    async def apply(self, volume: VolumeId) -> dict[str, Any]:
        """Make the mirrors equal; what was done, and what was not and why.

        Raises:
            UnknownVolume: There is no such volume.
        """
        self._refuse_unknown(volume)
        self._reconcile.reset_failures(volume)
        done = copied_bytes = 0
        for _ in range(ROUNDS_MAX):
            report = await self._reconcile.reconcile(volume, unthrottled=True)
            done += report.done
            copied_bytes += report.copied_bytes
            left = await self._reconcile.plan(volume)
            if not (left.plan.steps and report.done):
                break
        failed = [
            {**step_document(step), "reason": report.failed.get(step, NOT_ATTEMPTED)}
            for step in left.plan.steps
        ]
        return {
            "volume": volume,
            "equal": _is_equal(left),
            "unreachable": list(left.unreachable),
            "done": done,
            "copied_bytes": copied_bytes,
            "failed": failed,
            "conflicts": [conflict_document(conflict) for conflict in left.plan.conflicts],
        }

    def _refuse_unknown(self, volume: VolumeId) -> None:
        if volume not in self._cluster.volumes:
            raise UnknownVolume(f"volume {volume} is not in the cluster's config")


def state_document(reconcile: Reconciler, *, now_seconds: float) -> dict[str, Any]:
    """How far the repair under way is, and what was not healed and why."""
    progress, given_up = reconcile.progress, reconcile.given_up
    return {
        "steps_left": progress.steps_total - progress.steps,
        "bytes_left": progress.bytes_total - progress.bytes,
        "seconds_left": progress.seconds_left(now_seconds=now_seconds),
        "failed_total": len(given_up),
        "failed": [
            {**step_document(step), "reason": reason}
            for step, reason in itertools.islice(given_up.items(), UNHEALED_SHOWN_MAX)
        ],
        "conflicts": [
            conflict_document(conflict)
            for conflicts in reconcile.conflicts.values()
            for conflict in conflicts
        ],
    }


def step_document(step: Step) -> dict[str, Any]:
    """A step of a plan: what is done, where, to which file, and what is copied from where."""
    file = step.tombstone if isinstance(step, WriteTombstone) else step.file
    copied = None if isinstance(step, RestoreDigest | WriteTombstone) else step
    return {
        "action": re.sub(r"\B(?=[A-Z])", "-", type(step).__name__).lower(),
        "node": step.node,
        "path": render_path(file),
        "source": copied.source if copied else "",
        "bytes": copied.size_bytes if copied else 0,
    }


def conflict_document(conflict: Conflict) -> dict[str, Any]:
    """A name with different bytes."""
    return {"path": render_path(conflict.file), "digests": dict(conflict.digests)}


def _is_equal(found: VolumePlan) -> bool:
    """Whether every mirror was asked, and all are the same."""
    return not (found.plan.steps or found.plan.conflicts or found.unreachable)
