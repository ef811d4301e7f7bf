"""Alerts for the operator about nodes, repairs, and the queue: pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from permission_urls import CLOCK_SKEW_SECONDS_MAX
from runtime.quantities import quantity
from storagemaster.mirrors.fleet import NodeView
from storagemaster.operations.disagreements import Process
from storagenode.protocol.layout import SETTLED
from volumes.cluster import Cluster, NodeId
from volumes.photo_path import PhotoVersion, VolumeId

OLDEST_JOB_SECONDS_MAX = 300.0
# A synchronized clock differs by milliseconds. Requests fail only at `CLOCK_SKEW_SECONDS_MAX`.
CLOCK_ALERT_SECONDS = 2.0
VOLUMES_SHOWN_MAX = 10
DAY_SECONDS = 24 * 3600.0
# Bit rot that stays hidden for longer can reach the second copy.
UNVERIFIED_DAYS_MAX = 30


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
        days = (node["unverified_seconds"] or 0.0) / DAY_SECONDS
        if node["up"] and days > UNVERIFIED_DAYS_MAX:
            alerts.append(
                f"node {node['id']} has files that its scrub has not read for {days:.0f} days: "
                "raise limits.scrub_bytes_per_second"
            )
        if node["up"] and node["fallen_fences"]:
            alerts.append(
                f"node {node['id']} serves volumes whose deletes it may have missed "
                f"({_numbers(node['fallen_fences'])}): it was down, and no storagemaster could "
                "compare them with every mirror; start the other mirrors"
            )
    return alerts


def fence_alerts(cluster: Cluster, views: Mapping[NodeId, NodeView]) -> list[str]:
    """Return the alerts about volumes that a node does not serve while another mirror is down.

    Only with `[deletes] strict`: another fence falls by itself.
    """
    if not cluster.strict_deletes:
        return []
    waiting: dict[tuple[NodeId, NodeId], list[int]] = {}
    for id_, view in views.items():
        for number in view.status.fenced if view.up and view.status else ():
            volume = cluster.volumes.get(VolumeId(number))
            for other in volume.mirrors if volume else ():
                if other != id_ and not views[other].up:
                    waiting.setdefault((id_, other), []).append(number)
    return [
        f"node {id_} serves no photo of volumes {_numbers(volumes)} before it has the tombstones "
        f"of {other}, which is down: start {other}; if its disk is lost, run "
        f"`glassplate node remove {other} --dead --apply`"
        for (id_, other), volumes in waiting.items()
    ]


def tombstone_alerts(refused: Mapping[NodeId, Sequence[str]]) -> list[str]:
    """Return the alerts about tombstones without a valid proof, by node."""
    return [
        f"node {node} has {quantity(len(paths), 'tombstone')} without a valid proof, such as "
        f"{paths[0]}: no other node obeys them, and this node serves none of their photos; delete "
        "a photo again if it was deleted, or remove the file from the node if it was not"
        for node, paths in refused.items()
        if paths
    ]


def clock_alerts(
    nodes: Iterable[Mapping[str, Any]], edges: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Return the alerts about nodes and edges whose clocks differ from the storagemaster's."""
    machines = [("node", node) for node in nodes] + [("edge", edge) for edge in edges]
    alerts = []
    for kind, machine in machines:
        seconds = machine["clock_difference_seconds"] or 0.0
        if abs(seconds) >= CLOCK_ALERT_SECONDS:
            direction = "ahead of" if seconds > 0 else "behind"
            alerts.append(
                f"the clock of {kind} {machine['id']} is {abs(seconds):.0f} s {direction} that of "
                f"this storagemaster: signed requests fail at {CLOCK_SKEW_SECONDS_MAX} s, and URLs "
                "end too early or too late; synchronize both clocks"
            )
    return alerts


def map_alerts(
    strays: Mapping[NodeId, Mapping[str, Sequence[int]]],
    lacking: Mapping[NodeId, Sequence[int]],
) -> list[str]:
    """Return the alerts about nodes that do not hold what the volume map says.

    Strays are given by what they wait for.
    """
    return [
        *(
            f"node {node} holds volumes that the volume map does not give it "
            f"({_numbers(volumes)}): it serves none of their photos; they are merged into their "
            f"mirrors, then dropped. They wait for {waits}"
            for node, by_wait in strays.items()
            for waits, volumes in by_wait.items()
        ),
        *(
            f"node {node} does not hold volumes that the volume map gives it "
            f"({_numbers(volumes)}): restart the node, so that it creates them"
            for node, volumes in lacking.items()
        ),
    ]


def disagreement_alerts(disagreements: Mapping[Process, Sequence[str]]) -> list[str]:
    """Return the alerts about processes with another map, other keys, or another TLS mode."""
    alerts = []
    for (kind, id_), fields in disagreements.items():
        is_edge = kind == "edge"
        if "map" in fields:
            do = (
                "run glassplate proxy-config for it again, or with --watch"
                if is_edge
                else "give both the same cluster.toml, then restart the one that is behind"
            )
            alerts.append(
                f"{kind} {id_} has another volume map than this storagemaster, so it can look for "
                f"photos on the wrong nodes; {do}"
            )
        if "keys" in fields:
            alerts.append(
                f"{kind} {id_} has other keys for photo URLs than this storagemaster, so it can "
                "refuse valid URLs and accept retired ones; give both the same read keys, see "
                "docs/keys.md"
            )
        if "tls" in fields:
            alerts.append(
                f"{kind} {id_} has another [tls] internal than this storagemaster, so they cannot "
                "reach each other; give both the same cluster.toml, then restart both"
            )
    return alerts


def _numbers(volumes: Sequence[int]) -> str:
    shown = ", ".join(map(str, sorted(volumes)[:VOLUMES_SHOWN_MAX]))
    return f"{shown}, ..." if len(volumes) > VOLUMES_SHOWN_MAX else shown


def repair_alerts(repair: Mapping[str, Any]) -> list[str]:
    """Return the alerts about failed repairs and conflicts."""
    alerts = []
    if repair["failed_total"]:
        first = repair["failed"][0]
        alerts.append(
            f"{quantity(repair['failed_total'], 'file')} could not be repaired, such as "
            f"{first['path']} "
            f"on {first['node']}: {first['reason']}; fix the cause, then run "
            "`glassplate repair --apply`"
        )
    if repair["conflicts"]:
        first = repair["conflicts"][0]
        alerts.append(
            f"{quantity(len(repair['conflicts']), 'photo has', 'photos have')} different originals "
            f"on the mirrors, such as {first['reference']}; this is settled once every node is up"
        )
    return alerts


def settlement_alerts(views: Mapping[NodeId, NodeView]) -> list[str]:
    """Return the alerts about photos that gave way to another with the same Idempotency-Key."""
    nodes: dict[str, list[NodeId]] = {}
    for node, view in views.items():
        for photo_version in view.status.settled if view.status else ():
            nodes.setdefault(photo_version, []).append(node)
    return [
        f"two photos were uploaded with the Idempotency-Key of {photo_version}: one stays, and the "
        f"other is in the quarantine of {', '.join(holders)}; this ends when it is removed from "
        f"`{SETTLED}/` there"
        for photo_version, holders in nodes.items()
    ]


def lost_original_alerts(lost: Sequence[PhotoVersion]) -> list[str]:
    """Return the alert about photos whose sizes remain, and whose original no node has."""
    return [
        f"{len(lost)} photos have lost their original on every mirror, such as {each}: their sizes "
        "are served; look for a copy with `glassplate find`, or put one back from a backup"
        for each in lost[:1]
    ]


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
        waiting = quantity(sum(depths.values()), "job waits", "jobs wait")
        alerts.append(f"no worker is alive: no sizes are made, and {waiting}")
    if oldest_job_seconds is not None and oldest_job_seconds > OLDEST_JOB_SECONDS_MAX:
        alerts.append(
            f"a photo has waited {oldest_job_seconds:.0f} s for its sizes: start more workers"
        )
    return alerts
