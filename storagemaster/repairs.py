"""Reconcile on demand, as documents: the plan of a volume, and what became of it."""

from typing import Any

from storagemaster.errors import UnknownVolume
from storagemaster.reconcile import Reconcile
from storagemaster.repair_plan import Bury, Conflict, Step
from volumes.cluster import Cluster
from volumes.photo_path import VolumeId, render_path


class Repairs:
    """Answers for repairs of single volumes."""

    def __init__(self, cluster: Cluster, reconcile: Reconcile) -> None:
        self._cluster = cluster
        self._reconcile = reconcile

    async def plan(self, volume: VolumeId) -> dict[str, Any]:
        """What would make the mirrors equal; nothing is changed.

        Raises:
            UnknownVolume: There is no such volume.
        """
        self._refuse_unknown(volume)
        found = await self._reconcile.plan(volume)
        return {
            "volume": volume,
            "equal": not (found.plan.steps or found.plan.conflicts or found.unknown),
            "unknown": list(found.unknown),
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
        report = await self._reconcile.reconcile(volume)
        conflicts = self._reconcile.conflicts[volume]
        return {
            "volume": volume,
            "done": report.done,
            "copied_bytes": report.copied_bytes,
            "failed": [
                {**step_document(step), "reason": reason} for step, reason in report.failed.items()
            ],
            "conflicts": [conflict_document(conflict) for conflict in conflicts],
        }

    def _refuse_unknown(self, volume: VolumeId) -> None:
        if volume not in self._cluster.volumes:
            raise UnknownVolume(f"volume {volume} is not in the cluster's config")


def step_document(step: Step) -> dict[str, str]:
    """A step of a plan: what is done, where, to which file."""
    file = step.tombstone if isinstance(step, Bury) else step.file
    return {"do": type(step).__name__.lower(), "node": step.node, "path": render_path(file)}


def conflict_document(conflict: Conflict) -> dict[str, Any]:
    """A name with different bytes."""
    return {"path": render_path(conflict.file), "digests": dict(conflict.digests)}
