"""What is wrong with nodes and with the making of sizes, in words for a person: pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

OLDEST_JOB_SECONDS_MAX = 300.0


def node_alarms(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What somebody should see to at nodes that are up, by what the status says of them."""
    alarms = []
    for node in nodes:
        if node["up"] and node["reason"]:
            alarms.append(f"node {node['id']} takes no writes: {node['reason']}")
        elif node["up"] and not node["accepts_new_photos"]:
            alarms.append(
                f"node {node['id']} takes no new photos: {node['free_bytes']} bytes are free"
            )
    return alarms


def repair_alarms(repair: Mapping[str, Any]) -> list[str]:
    """What repair cannot heal without a person."""
    alarms = []
    if repair["unhealed_total"]:
        first = repair["unhealed"][0]
        alarms.append(
            f"files that could not be healed: {repair['unhealed_total']}, such as {first['path']} "
            f"on {first['node']}: {first['reason']}; see to the cause, then: glassplate repair "
            "--apply"
        )
    if repair["conflicts"]:
        first = repair["conflicts"][0]
        alarms.append(
            f"names with different bytes on each mirror: {len(repair['conflicts'])}, such as "
            f"{first['path']}; glassplate repair lists them"
        )
    return alarms


def queue_alarms(
    depths: Mapping[str, int] | None,
    *,
    workers_alive: int | None,
    oldest_job_seconds: float | None,
) -> list[str]:
    """What somebody should see to, worst first; empty when all is well."""
    if depths is None:
        return ["the queue is away: photos are kept, and their sizes are made when it is back"]
    alarms = []
    if workers_alive == 0:
        waiting = sum(depths.values())
        alarms.append(f"no worker is alive: no sizes are made, and {waiting} jobs wait")
    if oldest_job_seconds is not None and oldest_job_seconds > OLDEST_JOB_SECONDS_MAX:
        alarms.append(
            f"a photo has waited {oldest_job_seconds:.0f} s for its sizes: more workers are needed"
        )
    return alarms
