"""Status document of the cluster, which `glassplate status` shows."""

import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from permission_urls import KeySource
from runtime.clients import Clients
from runtime.paused_collection import paused_collection
from runtime.traffic import BUCKETS_SECONDS, Traffic
from storagemaster.audit.audit_log import AuditLog
from storagemaster.jobs.abandoned_jobs import AbandonedJobs
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.jobs.sweep import Sweep
from storagemaster.mirrors.fleet import NodeView
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.settling import Settling
from storagemaster.mirrors.strays import find_lacking_mirrors
from storagemaster.moves.move_rates import MoveRates
from storagemaster.operations.alerts import (
    clock_alerts,
    disagreement_alerts,
    fence_alerts,
    lost_original_alerts,
    map_alerts,
    node_alerts,
    queue_alerts,
    repair_alerts,
    settlement_alerts,
    tombstone_alerts,
)
from storagemaster.operations.capacity import colo_capacities, node_capacity
from storagemaster.operations.certificates import Certificates, certificate_alerts
from storagemaster.operations.disagreements import Disagreements, Process
from storagemaster.operations.moves_under_way import moves_under_way, strays_by_wait
from storagemaster.operations.port_health import PortHealth
from storagemaster.operations.recent_durations import RecentDurations
from storagemaster.repair.reconcile import Reconciler
from storagemaster.repair.repairs import state_document
from storagemaster.wire import UPLOAD
from storagenode.protocol.agreement import Agreed, agreed_headers, parse_agreed
from storagenode.protocol.files import VolumeSummary
from storagenode.protocol.wire import FSYNC_BOUNDS_SECONDS
from volumes.cluster import Edge, Master, Node, NodeId, Volume
from volumes.map_digest import FollowedDigest
from volumes.volume_state import VolumeState

# The `value` of an enum is slow, and there are perhaps 50,000 volumes.
_STATES = {state: state.value for state in VolumeState}


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
        keys: KeySource,
        clients: Clients,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._mirrors = mirrors
        self._fleet = mirrors.fleet
        self._nodes = mirrors.nodes
        self._queue = queue
        self._port_health = port_health
        self._abandoned_jobs = abandoned_jobs
        self._reconcile = reconcile
        self._contents = reconcile.comparison.contents
        self.move_rates = MoveRates(mirrors, reconcile.comparison)
        self._settling = settling
        self._certificates = certificates
        self._audit = audit
        self._sweep = sweep
        self._now_seconds = now_seconds
        self._keys = keys
        self.map_digest = FollowedDigest(lambda: mirrors.cluster).now
        """The digest of the map that this storagemaster follows."""
        self._disagreements = Disagreements()
        self._traffic = clients.traffic
        self._fsyncs = RecentDurations(FSYNC_BOUNDS_SECONDS)
        self._uploads = RecentDurations(BUCKETS_SECONDS)

    async def document(self, *, has_volumes: bool = True) -> dict[str, Any]:
        """Return the document of the cluster, without volumes and waits if they are not needed.

        A value is None if its source is unreachable.
        """
        views = self._fleet.view()
        depths = await self._queue.depths()
        workers: Mapping[str, str] | None = None
        oldest_job_seconds = None
        if depths is not None:
            workers = await self._abandoned_jobs.map_digests_of_workers()
            oldest_job_seconds = await self._queue.oldest_job_seconds(self._now_seconds())
        workers_alive = None if workers is None else len(workers)
        disagreements = self._disagreements.observe(
            self._now_seconds(), self._own(), dict(self._agreed_by_process(workers or {}))
        )
        strays = strays_by_wait(self._mirrors)
        totals = self._contents.totals(self._mirrors.cluster)
        lacking = find_lacking_mirrors(self._mirrors.cluster, views)
        nodes = [
            {
                **self._node(node, views[node.id]),
                **_node_contents(totals.get(node.id)),
                "stray_volumes": sorted(itertools.chain(*strays.get(node.id, {}).values())),
                "lacking_volumes": lacking.get(node.id, []),
                "disagrees_on": disagreements[Process("node", node.id)],
            }
            for node in self._mirrors.cluster.nodes.values()
        ]
        edges, masters = self._edges(disagreements), self._masters(disagreements)
        volumes, waits = self._volumes_and_waits(views) if has_volumes else ([], [])
        repair = state_document(self._reconcile, now_seconds=self._now_seconds())
        tls = self._certificates.document(views, now_seconds=self._now_seconds())
        return {
            "cluster": self._mirrors.cluster.name,
            "master": self._certificates.master,
            "masters": masters,
            "nodes": nodes,
            "colos": colo_capacities(self._mirrors.cluster, views),
            "volumes": volumes,
            "moves": list(moves_under_way(self._mirrors, self._contents, self.move_rates)),
            "waits": waits,
            "pending_hints": sum(view.status.hints for view in views.values() if view.status),
            "queues": depths,
            "workers_alive": workers_alive,
            "oldest_job_seconds": oldest_job_seconds,
            "upload_p99_seconds": self._upload_p99_seconds(),
            "repair": repair,
            "tls": tls,
            "alerts": [
                *node_alerts(nodes),
                *fence_alerts(self._mirrors.cluster, views),
                *tombstone_alerts(
                    {id_: node.proven.refused() for id_, node in self._nodes.items()}
                ),
                *certificate_alerts(tls["certificates"]),
                *clock_alerts(nodes, edges),
                *map_alerts(strays, lacking),
                *disagreement_alerts(disagreements),
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

    def edges_follow(self) -> bool:
        """Return True if each edge that responds has the map that this storagemaster follows."""
        ports, own = self._port_health, self.map_digest()
        edges = self._mirrors.cluster.edges.values()
        return all(ports.agreed(edge.purge).map in ("", own) for edge in edges)

    def _volumes_and_waits(
        self, views: Mapping[NodeId, NodeView]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        with paused_collection():
            return self._volumes(views), self._waits()

    def _edges(self, disagreements: Mapping[Process, Any]) -> list[dict[str, Any]]:
        return [
            {**self._edge(edge), "disagrees_on": disagreements[Process("edge", edge.id)]}
            for edge in self._mirrors.cluster.edges.values()
        ]

    def _masters(self, disagreements: Mapping[Process, Any]) -> list[dict[str, Any]]:
        return [
            {**self._master_of(each), "disagrees_on": disagreements[Process("master", each.id)]}
            for each in self._mirrors.cluster.masters.values()
        ]

    def _own(self) -> Agreed:
        return parse_agreed(
            agreed_headers(self.map_digest(), self._keys, self._mirrors.cluster.tls)
        )

    def _node(self, node: Node, view: NodeView) -> dict[str, Any]:
        if view.up and view.status is not None:
            self._fsyncs.record(node.id, self._now_seconds(), view.status.fsync_counts)
        return {
            **_node(node, view),
            "read_up": self._port_health.is_up(node.read),
            "clock_difference_seconds": self._port_health.clock_difference_seconds(node.read),
            **node_capacity(node, view),
            "fsync_p99_seconds": self._fsyncs.p99_seconds(node.id),
        }

    def _upload_p99_seconds(self) -> float | None:
        self._uploads.record("", self._now_seconds(), _upload_counts(self._traffic))
        return self._uploads.p99_seconds("")

    def _master_of(self, master: Master) -> dict[str, Any]:
        is_up = self._port_health.is_up(master.address)
        return {"id": master.id, "colo": master.colo, "up": is_up}

    def _volumes(self, views: Mapping[NodeId, NodeView]) -> list[dict[str, Any]]:
        readable = {
            node.id
            for node in self._mirrors.cluster.nodes.values()
            if self._port_health.is_up(node.read)
        }
        # Few volumes have mirrors of their own, and there are perhaps 50,000 volumes.
        shared: dict[tuple[NodeId, ...], dict[str, Any]] = {}
        documents = []
        for volume in self._mirrors.cluster.volumes.values():
            of_mirrors = shared.get(volume.mirrors)
            if of_mirrors is None:
                of_mirrors = shared[volume.mirrors] = {
                    "mirrors": list(volume.mirrors),
                    "mirrors_up": [node for node in volume.mirrors if views[node].up],
                    "mirrors_readable": [node for node in volume.mirrors if node in readable],
                }
            document = {"number": volume.number, "state": _STATES[volume.state], **of_mirrors}
            document["joining"], document["leaving"] = [*volume.joining], [*volume.leaving]
            cold_tier = self._fleet.cold_tier_of(volume.number)
            document["cold_nodes"] = list(cold_tier.cold_nodes) if cold_tier else []
            _add_contents(document, volume, self._contents.of(volume.number))
            documents.append(document)
        return documents

    def _agreed_by_process(self, workers: Mapping[str, str]) -> Iterable[tuple[Process, Agreed]]:
        """Yield the volume map and the keys that each process last reported."""
        ports = self._port_health
        for node in self._mirrors.cluster.nodes.values():
            yield Process("node", node.id), ports.agreed(node.read)
        for edge in self._mirrors.cluster.edges.values():
            yield Process("edge", edge.id), ports.agreed(edge.purge)
        for master in self._mirrors.cluster.masters.values():
            yield Process("master", master.id), ports.agreed(master.address)
        for name, digest in workers.items():
            yield Process("worker", name), Agreed(map=digest)

    def _edge(self, edge: Edge) -> dict[str, Any]:
        reads = self._port_health.edge_reads.of(edge.id)
        return {
            "id": edge.id,
            "reads_per_second": reads.per_second if reads else None,
            "hit_rate": reads.hit_rate if reads else None,
            "read_p99_seconds": reads.p99_seconds if reads else None,
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
        for volume in self._mirrors.cluster.volumes.values():
            if reason := self._settling.waits_for(volume):
                volumes_by_reason.setdefault(reason, []).append(volume.number)
        return [
            {"volumes": numbers, "for": reason} for reason, numbers in volumes_by_reason.items()
        ]


def _upload_counts(traffic: Traffic) -> list[int]:
    """Return the number of photos that were stored in one request, by duration."""
    stored = [
        series.buckets
        for kind, series in traffic.series.items()
        if (kind.method, kind.route) == (UPLOAD.method, UPLOAD.template) and kind.code < 300
    ]
    return [sum(counts) for counts in zip([0] * (len(BUCKETS_SECONDS) + 1), *stored, strict=True)]


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
        "unverified_seconds": view.status.unverified_seconds if view.status else None,
        "hints_age_seconds": view.status.hints_age_seconds if view.status else None,
        "fenced_volumes": list(view.status.fenced) if view.status else [],
        "fallen_fences": list(view.status.fallen) if view.status else [],
    }


def _add_contents(
    document: dict[str, Any], volume: Volume, summaries: Mapping[NodeId, VolumeSummary]
) -> None:
    """Add the photos and bytes of a volume, as its mirrors reported them, and if they are equal."""
    photos = size = None
    # For each of perhaps 50,000 volumes: a loop takes a third of the time of `max` and generators.
    for node in volume.homes:
        if (each := summaries.get(node)) is not None:
            photos = each.photos if photos is None or each.photos > photos else photos
            size = each.bytes if size is None or each.bytes > size else size
    document["photos"], document["bytes"] = photos, size
    document["mirrors_equal"] = _are_equal([summaries.get(node) for node in volume.mirrors])


def _are_equal(reported: list[VolumeSummary | None]) -> bool | None:
    """Return True if all mirrors have as many photos and bytes, None if one has not reported."""
    counts = [(each.photos, each.bytes) for each in reported if each is not None]
    return counts.count(counts[0]) == len(counts) if len(counts) == len(reported) else None


def _node_contents(total: tuple[int, int] | None) -> dict[str, int | None]:
    photos, size = total or (None, None)
    return {"photos": photos, "bytes": size}
