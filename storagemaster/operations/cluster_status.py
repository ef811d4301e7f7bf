"""Status document of the cluster, which `glassplate status` shows."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from storagemaster.audit.audit_log import AuditLog
from storagemaster.jobs.abandoned_jobs import AbandonedJobs
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.jobs.sweep import Sweep
from storagemaster.mirrors.fleet import NodeView
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.settling import Settling
from storagemaster.operations.alerts import (
    clock_alerts,
    lost_original_alerts,
    map_alerts,
    node_alerts,
    queue_alerts,
    repair_alerts,
    settlement_alerts,
    tombstone_alerts,
)
from storagemaster.operations.certificates import Certificates
from storagemaster.operations.port_health import PortHealth
from storagemaster.operations.space_trend import SpaceTrend
from storagemaster.repair.reconcile import Reconciler
from storagemaster.repair.repairs import state_document
from storagenode.protocol.files import VolumeSummary
from volumes.cluster import Edge, Node, NodeId, Volume
from volumes.cold_tier import ColdTier


class ClusterStatus:
    """The status of the cluster as one storagemaster sees it."""

    def __init__(
        self,
        mirrors: Mirrors,
        queue: SizesQueue,
        port_health: PortHealth,
        abandoned_jobs: AbandonedJobs,
        reconcile: Reconciler,
        settling: Settling,
        audit: AuditLog,
        sweep: Sweep,
        certificates: Certificates,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._cluster = mirrors.cluster
        self._fleet = mirrors.fleet
        self._nodes = mirrors.nodes
        self._queue = queue
        self._port_health = port_health
        self._abandoned_jobs = abandoned_jobs
        self._reconcile = reconcile
        self._contents = reconcile.comparison.contents
        self._settling = settling
        self._certificates = certificates
        self._audit = audit
        self._sweep = sweep
        self._now_seconds = now_seconds
        self._trend = SpaceTrend()

    async def document(self) -> dict[str, Any]:
        """Return the document of nodes, volumes, hints, queues, and edges.

        A value is None if its source is unreachable.
        """
        views = self._fleet.view()
        depths = await self._queue.depths()
        workers_alive = oldest_job_seconds = None
        if depths is not None:
            workers_alive = await self._abandoned_jobs.workers_alive()
            oldest_job_seconds = await self._queue.oldest_job_seconds(self._now_seconds())
        readable = {
            node.id for node in self._cluster.nodes.values() if self._port_health.is_up(node.read)
        }
        self._record_trend(views)
        volumes = [
            {
                **_volume(volume, views, self._fleet.cold_tier_of(volume.number)),
                "mirrors_readable": [node for node in volume.mirrors if node in readable],
                **_volume_contents(self._contents.of(volume.number)),
            }
            for volume in self._cluster.volumes.values()
        ]
        nodes = [
            {
                **_node(node, views[node.id]),
                **self._node_contents(node.id),
                "read_up": node.id in readable,
                "clock_difference_seconds": self._port_health.clock_difference_seconds(node.read),
                "days_to_full": self._trend.days_to_full(node.id),
            }
            for node in self._cluster.nodes.values()
        ]
        edges = [self._edge(edge) for edge in self._cluster.edges.values()]
        repair = state_document(self._reconcile, now_seconds=self._now_seconds())
        return {
            "cluster": self._cluster.name,
            "master": self._certificates.master,
            "masters": [
                {"id": each.id, "colo": each.colo, "up": self._port_health.is_up(each.address)}
                for each in self._cluster.masters.values()
            ],
            "nodes": nodes,
            "volumes": volumes,
            "waits": self._waits(),
            "pending_hints": sum(view.status.hints for view in views.values() if view.status),
            "queues": depths,
            "workers_alive": workers_alive,
            "oldest_job_seconds": oldest_job_seconds,
            "repair": repair,
            "tls": {"internal": self._certificates.own is not None},
            "alerts": [
                *node_alerts(nodes),
                *tombstone_alerts(
                    {id_: node.proven.refused() for id_, node in self._nodes.items()}
                ),
                *self._certificates.alerts(views, now_seconds=self._now_seconds()),
                *clock_alerts(nodes, edges),
                *map_alerts(self._cluster, views),
                *repair_alerts(repair),
                *settlement_alerts(views),
                *lost_original_alerts(self._sweep.lost_files.originals),
                *self._audit.alerts(),
                *queue_alerts(
                    depths, workers_alive=workers_alive, oldest_job_seconds=oldest_job_seconds
                ),
            ],
            "edges": edges,
        }

    def _record_trend(self, views: Mapping[NodeId, NodeView]) -> None:
        for node_id, view in views.items():
            if view.up and view.status is not None:
                self._trend.record(node_id, self._now_seconds(), view.status)

    def _node_contents(self, node: NodeId) -> dict[str, int | None]:
        found = [self._contents.of(volume).get(node) for volume in self._cluster.volumes_on(node)]
        known = [each for each in found if each is not None]
        is_complete = len(known) == len(found)
        return {
            "photos": sum(each.photos for each in known) if is_complete else None,
            "bytes": sum(each.bytes for each in known) if is_complete else None,
        }

    def _edge(self, edge: Edge) -> dict[str, Any]:
        reads = self._port_health.edge_reads.of(edge.id)
        return {
            "id": edge.id,
            "reads_per_second": reads.per_second if reads else None,
            "hit_rate": reads.hit_rate if reads else None,
            "colo": edge.colo,
            "kind": edge.kind,
            "up": self._port_health.is_up(edge.listen),
            "purge_up": self._port_health.is_up(edge.purge),
            # The purge port comes first: a CDN in front of the other could respond from its cache.
            "clock_difference_seconds": self._port_health.clock_difference_seconds(
                edge.purge, edge.listen
            ),
        }

    def _waits(self) -> list[dict[str, Any]]:
        """Return what volumes wait for since the last fault, each with its volumes."""
        volumes_by_reason: dict[str, list[int]] = {}
        for volume in self._cluster.volumes.values():
            if reason := self._settling.waits_for(volume):
                volumes_by_reason.setdefault(reason, []).append(volume.number)
        return [
            {"volumes": numbers, "for": reason} for reason, numbers in volumes_by_reason.items()
        ]


def _node(node: Node, view: NodeView) -> dict[str, Any]:
    return {
        "id": node.id,
        "colo": node.colo,
        "up": view.up,
        "reason": view.reason,
        "free_bytes": view.status.free_bytes if view.status else None,
        "total_bytes": view.status.total_bytes if view.status else None,
        "reserve_bytes": view.status.reserve_bytes if view.status else None,
        "accepts_new_photos": view.accepts_new_photos,
        "pending_hints": view.status.hints if view.status else None,
        "hints_age_seconds": view.status.hints_age_seconds if view.status else None,
        "fenced_volumes": list(view.status.fenced) if view.status else [],
        "fallen_fences": list(view.status.fallen) if view.status else [],
    }


def _volume(
    volume: Volume, views: Mapping[NodeId, NodeView], cold_tier: ColdTier | None
) -> dict[str, Any]:
    return {
        "number": volume.number,
        "state": volume.state.value,
        "mirrors": list(volume.mirrors),
        "mirrors_up": [node for node in volume.mirrors if views[node].up],
        "cold_nodes": list(cold_tier.cold_nodes) if cold_tier else [],
    }


def _volume_contents(summaries: Mapping[NodeId, VolumeSummary]) -> dict[str, Any]:
    """Return the photos and bytes of a volume, and of each of its mirrors that reported them."""
    return {
        "photos": max((each.photos for each in summaries.values()), default=None),
        "bytes": max((each.bytes for each in summaries.values()), default=None),
        "mirror_contents": [
            {"node": node, "photos": each.photos, "bytes": each.bytes}
            for node, each in summaries.items()
        ],
    }
