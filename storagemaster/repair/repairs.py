"""Reconcile on request: the plan of a volume and the result of its repair, as JSON documents."""

import itertools
from collections.abc import Mapping
from typing import Any

from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.strays import find_strays
from storagemaster.repair.reconcile import Reconciler
from storagemaster.repair.steps import (
    Conflict,
    Copy,
    QuarantineInfo,
    Replace,
    ReplaceSizes,
    RestoreDigest,
    Step,
    WriteTombstone,
)
from storagemaster.repair.volume_plan import VolumePlan
from volumes.photo_path import VolumeId, render_path

# The second round compares a file that had no digest, and the third copies it.
ROUNDS_MAX = 3
FAILED_SHOWN_MAX = 100
NOT_ATTEMPTED = "the last round found it; repair again"
ACTIONS: Mapping[type[Step], str] = {
    WriteTombstone: "write-tombstone",
    Copy: "copy",
    RestoreDigest: "restore-digest",
    Replace: "replace",
    ReplaceSizes: "replace-sizes",
    QuarantineInfo: "quarantine-info",
}
"""The JSON names of the steps, which do not depend on the names of the classes."""


class Repairs:
    """Repairs of single volumes that an operator requests."""

    def __init__(self, mirrors: Mirrors, reconcile: Reconciler) -> None:
        self._mirrors = mirrors
        self._reconcile = reconcile

    async def plan(self, volume: VolumeId, *, after_recall: bool = False) -> dict[str, Any]:
        """Return the steps that make the mirrors equal, now or after a recall; change nothing.

        Raises:
            UnknownVolume: The cluster has no such volume.
        """
        self._check_known(volume)
        found = await self._reconcile.plan(volume, after_recall=after_recall)
        return {
            **_state(found),
            "strays": self._strays(volume),
            "copy_bytes": found.plan.copy_bytes,
            "steps": [step_document(step) for step in found.plan.steps],
        }

    async def apply(self, volume: VolumeId) -> dict[str, Any]:
        """Make the mirrors equal, and return what was done and each failed step with its reason.

        Raises:
            UnknownVolume: The cluster has no such volume.
        """
        self._check_known(volume)
        self._reconcile.forget_failures(volume)
        done = copied_bytes = 0
        for _ in range(ROUNDS_MAX):
            report = await self._reconcile.reconcile(volume, unthrottled=True)
            done += report.done
            copied_bytes += report.copied_bytes
            left = await self._reconcile.plan(volume)
            if not (left.plan.steps and report.done):
                break
        reasons = {step: report.failed.get(step, NOT_ATTEMPTED) for step in left.plan.steps}
        return {
            **_state(left),
            "done": done,
            "copied_bytes": copied_bytes,
            "failed": _failed_documents(reasons),
        }

    def _strays(self, volume: VolumeId) -> list[str]:
        """Return the nodes that hold the volume without being its mirrors."""
        return [*find_strays(self._mirrors.cluster, self._mirrors.fleet.view()).get(volume, [])]

    def _check_known(self, volume: VolumeId) -> None:
        self._mirrors.volume(volume)


def state_document(reconcile: Reconciler, *, now_seconds: float) -> dict[str, Any]:
    """Return the progress of the running repair, the failed steps, and the conflicts."""
    progress, given_up = reconcile.progress, reconcile.given_up
    return {
        "volumes_left": progress.volumes_left,
        "steps_left": progress.steps_left,
        "bytes_left": progress.bytes_left,
        "seconds_left": progress.seconds_left(now_seconds=now_seconds),
        "failed_total": len(given_up),
        "failed": _failed_documents(dict(itertools.islice(given_up.items(), FAILED_SHOWN_MAX))),
        "conflicts": [
            conflict_document(conflict)
            for conflicts in reconcile.conflicts.values()
            for conflict in conflicts
        ],
    }


def step_document(step: Step) -> dict[str, Any]:
    """Return the JSON document of a step: its action, node, file, source, and bytes."""
    return {
        "action": ACTIONS[type(step)],
        "node": step.node,
        "path": render_path(step.file),
        "source": getattr(step, "source", ""),
        "bytes": step.size_bytes,
    }


def conflict_document(conflict: Conflict) -> dict[str, Any]:
    """Return the JSON document of a conflict: the version, and the original on each node."""
    return {
        "reference": str(conflict.photo_version),
        "originals": [
            {"node": each.node, "path": render_path(each.file), "sha256": each.digest}
            for each in conflict.originals
        ],
    }


def _failed_documents(reasons: Mapping[Step, str]) -> list[dict[str, Any]]:
    return [{**step_document(step), "reason": reason} for step, reason in reasons.items()]


def _state(found: VolumePlan) -> dict[str, Any]:
    """Return what the plan and the result of a repair have in common.

    `equal` is true if all mirrors were reachable and are equal.
    """
    return {
        "volume": found.volume,
        "equal": not (found.plan.steps or found.plan.conflicts or found.unreachable),
        "unreachable": list(found.unreachable),
        "conflicts": [conflict_document(conflict) for conflict in found.plan.conflicts],
    }
