"""Metrics of a storagemaster for Prometheus, from the same document that its status is."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from storagemaster.events.events import Event, Events
from storagemaster.events.webhooks import Webhooks

CONTENT_TYPE = CONTENT_TYPE_LATEST


class MasterMetrics:
    """Counts what this storagemaster did, and renders it with what it knows of the cluster."""

    def __init__(self, events: Events, webhooks: Webhooks) -> None:
        self._outcomes: Counter[str] = Counter(ready=0, failed=0, deleted=0)
        self._webhooks = webhooks
        events.subscribe_local(self._count)

    def render(self, status: Mapping[str, Any]) -> bytes:
        """The metrics as text; `status` is the document of `ClusterStatus`."""
        registry = CollectorRegistry()
        registry.register(_Collected([*status_metrics(status), *self._own()]))
        return generate_latest(registry)

    def _count(self, event: Event) -> None:
        self._outcomes[event.state] += 1

    def _own(self) -> Iterable[Metric]:
        photos = CounterMetricFamily(
            "glassplate_photos", "Photos that this storagemaster settled.", labels=["state"]
        )
        for state, count in self._outcomes.items():
            photos.add_metric([state], count)
        sent = CounterMetricFamily(
            "glassplate_webhooks", "Webhooks of this storagemaster.", labels=["outcome"]
        )
        counts = self._webhooks.counts.values()
        sent.add_metric(["delivered"], sum(each.delivered for each in counts))
        sent.add_metric(["given_up"], sum(each.given_up for each in counts))
        sent.add_metric(["dropped"], sum(each.dropped for each in counts))
        return [photos, sent]


class _Collected(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def status_metrics(status: Mapping[str, Any]) -> list[Metric]:
    """What a status document says, as metrics; what could not be asked is left out."""
    up = GaugeMetricFamily("glassplate_node_up", "Whether a node answers.", labels=["node", "colo"])
    suspect = GaugeMetricFamily(
        "glassplate_node_suspect", "Whether its disk takes no writes.", labels=["node", "colo"]
    )
    owed = GaugeMetricFamily(
        "glassplate_pending_hints", "Files a node holds for others.", labels=["node", "colo"]
    )
    for node in status["nodes"]:
        up.add_metric([node["id"], node["colo"]], float(node["up"]))
        if node["up"]:
            suspect.add_metric([node["id"], node["colo"]], float(bool(node["reason"])))
        if node["pending_hints"] is not None:
            owed.add_metric([node["id"], node["colo"]], node["pending_hints"])
    reachable = GaugeMetricFamily(
        "glassplate_queue_reachable",
        "Whether the queue answers.",
        float(status["queues"] is not None),
    )
    metrics = [up, suspect, owed, reachable]
    if status["queues"] is not None:
        waiting = GaugeMetricFamily("glassplate_jobs_waiting", "Jobs that wait.", labels=["queue"])
        for lane, count in status["queues"].items():
            waiting.add_metric([lane], count)
        metrics.append(waiting)
    for name, about, value in (
        (
            "oldest_job_age_seconds",
            "How long the oldest job has waited.",
            status["oldest_job_seconds"],
        ),
        ("workers_alive", "Workers that live.", status["workers_alive"]),
    ):
        if value is not None:
            metrics.append(GaugeMetricFamily(f"glassplate_{name}", about, value))
    repair = status["repair"]
    for name, about, value in (
        ("steps_left", "Steps left of the running repair.", repair["steps_left"]),
        ("bytes_left", "Bytes left to copy by the running repair.", repair["bytes_left"]),
        ("failed_steps", "Steps that failed and are not retried.", repair["failed_total"]),
    ):
        metrics.append(GaugeMetricFamily(f"glassplate_repair_{name}", about, value))
    alerts = GaugeMetricFamily(
        "glassplate_alerts", "Number of alerts in the status.", len(status["alerts"])
    )
    return [*metrics, alerts]
