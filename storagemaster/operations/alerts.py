"""Alerts for the operator about nodes, repairs, and the queue: pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

OLDEST_JOB_SECONDS_MAX = 300.0


def node_alerts(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the alerts about the nodes that are up, from their status documents."""
    alerts = []
    for node in nodes:
        if node["up"] and node["reason"]:
            alerts.append(f"node {node['id']} takes no writes: {node['reason']}")
        elif node["up"] and not node["accepts_new_photos"]:
            alerts.append(
                f"node {node['id']} takes no new photos: only {node['free_bytes']} bytes are free"
            )
    return alerts


def repair_alerts(repair: Mapping[str, Any]) -> list[str]:
    """Return the alerts about failed repairs and conflicts."""
    alerts = []
    if repair["failed_total"]:
        first = repair["failed"][0]
        alerts.append(
            f"{repair['failed_total']} files could not be repaired, such as {first['path']} "
            f"on {first['node']}: {first['reason']}; fix the cause, then run "
            "`glassplate repair --apply`"
        )
    if repair["conflicts"]:
        first = repair["conflicts"][0]
        alerts.append(
            f"{len(repair['conflicts'])} files differ between their mirrors, such as "
            f"{first['path']}; `glassplate repair` lists them"
        )
    return alerts


def queue_alerts(
    depths: Mapping[str, int] | None,
    *,
    workers_alive: int | None,
    oldest_job_seconds: float | None,
) -> list[str]:
    """Return the alerts about the queue and the workers, the worst first."""
    if depths is None:
        return ["the queue is unavailable: sizes of stored photos are made when it is back"]
    alerts = []
    if workers_alive == 0:
        waiting = sum(depths.values())
        alerts.append(f"no worker is alive: no sizes are made, and {waiting} jobs wait")
    if oldest_job_seconds is not None and oldest_job_seconds > OLDEST_JOB_SECONDS_MAX:
        alerts.append(
            f"a photo has waited {oldest_job_seconds:.0f} s for its sizes: start more workers"
        )
    return alerts
