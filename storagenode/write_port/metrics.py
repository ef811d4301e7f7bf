"""Metrics of a node for Prometheus, from what it says of itself."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from storagenode.protocol.wire import NodeStatus

CONTENT_TYPE = CONTENT_TYPE_LATEST


def render_metrics(status: NodeStatus) -> bytes:
    """The metrics as text."""
    registry = CollectorRegistry()
    for name, about, value in (
        ("free_bytes", "Bytes that are free on the disk.", status.free_bytes),
        ("total_bytes", "Bytes that the disk has.", status.total_bytes),
        ("pending_hints", "Files that the node holds for others.", status.hints),
        ("volumes", "Volumes that the node is a home of.", len(status.volumes)),
        (
            "suspect",
            "Whether the disk is suspect, and takes no writes.",
            bool(status.suspect_reason),
        ),
        ("accepts_new_photos", "Whether there is room for new photos.", status.accepts_new_photos),
    ):
        gauge = Gauge(f"glassplate_node_{name}", about, ["node", "colo"], registry=registry)
        gauge.labels(status.node, status.colo).set(float(value))
    return generate_latest(registry)
