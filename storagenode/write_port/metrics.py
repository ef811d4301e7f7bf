"""Metrics of a node for Prometheus."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from runtime.clients import Clients
from runtime.histogram import cumulative_buckets
from runtime.port_metrics import PortMetrics
from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.store import DiskStore
from storagenode.partials.partials import Partials
from storagenode.protocol.wire import NodeStatus
from storagenode.store import Store
from storagenode.upkeep.upkeep import Upkeep

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BY_NODE = ["node", "colo"]


class NodeMetrics:
    """The counts of a node itself, and its status."""

    def __init__(
        self,
        ports: Mapping[str, Clients],
        store: Store | None,
        partials: Partials | None,
        upkeep: Upkeep,
        *,
        map_digest: Callable[[], str],
    ) -> None:
        self._ports = PortMetrics(ports, map_digest=map_digest)
        self._store = store if isinstance(store, DiskStore) else None
        self._partials = partials
        self._upkeep = upkeep

    def render(self, status: NodeStatus) -> bytes:
        """Return all metrics as text for Prometheus. Blocks: it lists the partial uploads."""
        registry = CollectorRegistry()
        registry.register(self._ports)
        registry.register(_Families([*_status_metrics(status), *self._upkeep_metrics()]))
        if self._store is not None:
            registry.register(_Families(_disk_metrics(self._store)))
        if self._partials is not None:
            registry.register(_Families(_partial_metrics(self._partials)))
        return generate_latest(registry)

    def _upkeep_metrics(self) -> list[Metric]:
        scrub = self._upkeep.scrub_document()
        return [
            GaugeMetricFamily(
                "glassplate_oldest_unverified_seconds",
                "An age that no file exceeds since the scrub read it; 0 before the first scrub.",
                self._upkeep.unverified_seconds(),
            ),
            GaugeMetricFamily(
                "glassplate_scrub_corrupt_files",
                "Number of corrupt files that the present or last scrub found.",
                len(scrub["corrupt"]),
            ),
        ]


class _Families(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _status_metrics(status: NodeStatus) -> list[Metric]:
    metrics: list[Metric] = []
    for name, about, value in (
        ("free_bytes", "Free space of the disk, in bytes.", status.free_bytes),
        ("total_bytes", "Size of the disk, in bytes.", status.total_bytes),
        ("pending_hints", "Number of hints for other nodes.", status.hints),
        (
            "oldest_hint_age_seconds",
            "Time since the node last held no hint, in seconds; 0 without hints.",
            status.hints_age_seconds,
        ),
        ("volumes", "Number of volumes that the node mirrors.", len(status.volumes)),
        ("fenced_volumes", "Number of volumes whose fence is not lifted.", len(status.fenced)),
        (
            "fallen_fences",
            "Number of volumes that the node serves although their fence is not lifted.",
            len(status.fallen),
        ),
        (
            "suspect",
            "1 if the node's disk takes no writes, 0 otherwise.",
            bool(status.suspect_reason),
        ),
        (
            "unwritten_tombstones",
            "Number of tombstones in memory that the disk refused.",
            status.unwritten_tombstones,
        ),
        (
            "accepts_new_photos",
            "1 if the node takes new photos, 0 otherwise.",
            status.accepts_new_photos,
        ),
    ):
        gauge = GaugeMetricFamily(f"glassplate_node_{name}", about, labels=_BY_NODE)
        gauge.add_metric([status.node, status.colo], float(value))
        metrics.append(gauge)
    return metrics


def fsync_counts(store: object) -> tuple[int, ...]:
    """Return the number of fsyncs by duration, of all kinds; empty for a bucket."""
    if not isinstance(store, DiskStore) or not isinstance(store.file_system, DiskFileSystem):
        return ()
    counts = [each.snapshot()[0] for each in store.file_system.fsync_seconds.values()]
    return tuple(map(sum, zip(*counts, strict=True)))


def _disk_metrics(store: DiskStore) -> list[Metric]:
    errors = CounterMetricFamily(
        "glassplate_disk_errors", "Number of failed writes, by error.", labels=["errno"]
    )
    for name, count in store.health.errors.items():
        errors.add_metric([name], count)
    durations = HistogramMetricFamily(
        "glassplate_disk_fsync_duration_seconds",
        "Time of fsyncs of a file, of a directory, or of the whole disk, in seconds.",
        labels=["kind"],
    )
    if isinstance(store.file_system, DiskFileSystem):
        for kind, histogram in store.file_system.fsync_seconds.items():
            counts, sum_seconds = histogram.snapshot()
            buckets = cumulative_buckets(histogram.bounds_seconds, counts)
            durations.add_metric([kind], buckets, sum_value=sum_seconds)
    return [errors, durations]


def _partial_metrics(partials: Partials) -> list[Metric]:
    held = partials.held
    return [
        GaugeMetricFamily(
            "glassplate_partials", "Number of resumable uploads under way.", held.count
        ),
        GaugeMetricFamily(
            "glassplate_partial_bytes",
            "Announced bytes of the resumable uploads under way.",
            held.bytes_total,
        ),
        GaugeMetricFamily(
            "glassplate_partial_bytes_max",
            "Bytes that resumable uploads under way can take.",
            partials.bytes_max(),
        ),
    ]
