"""What is wrong with nodes and with the making of sizes, in words for a person: pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

OLDEST_JOB_SECONDS_MAX = 300.0


def node_alerts(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What somebody should see to at nodes that are up, by what the status says of them."""
    alerts = []
    for node in nodes:
        if node["up"] and node["reason"]:
            alerts.append(f"node {node['id']} takes no writes: {node['reason']}")
        elif node["up"] and not node["accepts_new_photos"]:
            alerts.append(
                f"node {node['id']} takes no new photos: {node['free_bytes']} bytes are free"
            )
    return alerts


def repair_alerts(repair: Mapping[str, Any]) -> list[str]:
    """What repair cannot heal without a person."""
    alerts = []
    if repair["failed_total"]:
        first = repair["failed"][0]
        alerts.append(
            f"files that could not be healed: {repair['failed_total']}, such as {first['path']} "
            f"on {first['node']}: {first['reason']}; see to the cause, then: glassplate repair "
            "--apply"
        )
    if repair["conflicts"]:
        first = repair["conflicts"][0]
        alerts.append(
            f"names with different bytes on each mirror: {len(repair['conflicts'])}, such as "
            f"{first['path']}; glassplate repair lists them"
        )
    return alerts


def queue_alerts(
    depths: Mapping[str, int] | None,
    *,
    workers_alive: int | None,
    oldest_job_seconds: float | None,
) -> list[str]:
    """What somebody should see to, worst first; empty when all is well."""
    if depths is None:
        return ["the queue is away: photos are kept, and their sizes are made when it is back"]
    alerts = []
    if workers_alive == 0:
        waiting = sum(depths.values())
        alerts.append(f"no worker is alive: no sizes are made, and {waiting} jobs wait")
    if oldest_job_seconds is not None and oldest_job_seconds > OLDEST_JOB_SECONDS_MAX:
        alerts.append(
            f"a photo has waited {oldest_job_seconds:.0f} s for its sizes: more workers are needed"
        )
    return alerts
