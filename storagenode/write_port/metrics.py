"""Metrics of a node for Prometheus."""

from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from runtime.clients import Clients
from runtime.port_metrics import PortMetrics
from storagenode.protocol.wire import NodeStatus

CONTENT_TYPE = CONTENT_TYPE_LATEST


def render_metrics(status: NodeStatus, ports: Mapping[str, Clients]) -> bytes:
    """Return the metrics of a node, and of the clients of its ports, as text for Prometheus."""
    registry = CollectorRegistry()
    registry.register(PortMetrics(ports))
    for name, about, value in (
        ("free_bytes", "Free space of the disk, in bytes.", status.free_bytes),
        ("total_bytes", "Size of the disk, in bytes.", status.total_bytes),
        ("pending_hints", "Number of hints for other nodes.", status.hints),
        ("volumes", "Number of volumes that the node mirrors.", len(status.volumes)),
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
        gauge = Gauge(f"glassplate_node_{name}", about, ["node", "colo"], registry=registry)
        gauge.labels(status.node, status.colo).set(float(value))
    return generate_latest(registry)
