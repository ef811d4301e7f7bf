"""Prometheus metrics of a storagemaster, from the document of its status."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from permission_urls import KeySource, Purpose
from permission_urls.errors import InvalidKeys
from runtime.clients import Clients
from runtime.port_metrics import PortMetrics
from storagemaster.audit.audit_log import AuditLog
from storagemaster.events.events import Event, Events
from storagemaster.events.webhooks import Webhooks

CONTENT_TYPE = CONTENT_TYPE_LATEST
API_PORT = "api"


class MasterMetrics:
    """The counts of this storagemaster's own work, and its view of the cluster."""

    def __init__(
        self,
        events: Events,
        webhooks: Webhooks,
        clients: Clients,
        audit: AuditLog,
        keys: KeySource,
        *,
        map_digest: Callable[[], str] = str,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._clients = PortMetrics({API_PORT: clients}, map_digest=map_digest)
        self._outcomes: Counter[str] = Counter(ready=0, failed=0, deleted=0)
        self._webhooks = webhooks
        self._audit = audit
        self._keys = keys
        self._now_seconds = now_seconds
        events.subscribe_local(self._count)

    def render(self, status: Mapping[str, Any]) -> bytes:
        """Return the metrics as text; `status` is the document of `ClusterStatus`."""
        registry = CollectorRegistry()
        registry.register(_Collected([*status_metrics(status), *self._own()]))
        registry.register(self._clients)
        return generate_latest(registry)

    def _count(self, event: Event) -> None:
        self._outcomes[event.state] += 1

    def _own(self) -> Iterable[Metric]:
        photos = CounterMetricFamily(
            "glassplate_photos",
            "Number of photos that became ready, failed, or were deleted.",
            labels=["state"],
        )
        for state, count in self._outcomes.items():
            photos.add_metric([state], count)
        sent = CounterMetricFamily(
            "glassplate_webhooks", "Number of webhooks by outcome.", labels=["outcome"]
        )
        counts = self._webhooks.counts.values()
        sent.add_metric(["delivered"], sum(each.delivered for each in counts))
        sent.add_metric(["given_up"], sum(each.given_up for each in counts))
        sent.add_metric(["dropped"], sum(each.dropped for each in counts))
        unmirrored = GaugeMetricFamily(
            "glassplate_audit_unmirrored_entries",
            "Number of entries of the audit log that could not be stored in two colos.",
            self._audit.unmirrored_entries(),
        )
        return [photos, sent, unmirrored, _key_ages(self._keys, self._now_seconds())]


class _Collected(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _key_ages(keys: KeySource, now_seconds: float) -> Metric:
    ages = GaugeMetricFamily(
        "glassplate_key_age_seconds",
        "Age of the key that signs, in seconds, by its purpose.",
        labels=["purpose"],
    )
    for purpose in filter(lambda each: each.is_rotated, Purpose):
        try:
            made = keys.ring(purpose).signing_key.made
        except InvalidKeys:
            continue
        if made is not None:
            begun = datetime(made.year, made.month, made.day, tzinfo=UTC).timestamp()
            ages.add_metric([purpose], max(0.0, now_seconds - begun))
    return ages


def status_metrics(status: Mapping[str, Any]) -> list[Metric]:
    """Return a status document as metrics, without the values that are unknown."""
    metrics = [
        *_node_metrics(status),
        *_capacity_metrics("node", ["node", "colo"], status["nodes"]),
        *_capacity_metrics("colo", ["colo"], status["colos"]),
        *_map_metrics(status),
        _edge_up(status),
        _clock_differences(status),
        _certificates(status),
    ]
    if status["queues"] is not None:
        waiting = GaugeMetricFamily(
            "glassplate_jobs_waiting", "Number of waiting jobs.", labels=["queue"]
        )
        for queue_name, count in status["queues"].items():
            waiting.add_metric([queue_name], count)
        metrics.append(waiting)
    repair = status["repair"]
    for name, about, value in (
        (
            "glassplate_queue_reachable",
            "1 if the queue server is reachable, 0 otherwise.",
            float(status["queues"] is not None),
        ),
        (
            "glassplate_oldest_job_age_seconds",
            "Age of the oldest waiting job, in seconds.",
            status["oldest_job_seconds"],
        ),
        ("glassplate_workers_alive", "Number of live workers.", status["workers_alive"]),
        (
            "glassplate_repair_steps_left",
            "Number of steps left in the running repair.",
            repair["steps_left"],
        ),
        (
            "glassplate_repair_bytes_left",
            "Bytes left to copy in the running repair.",
            repair["bytes_left"],
        ),
        (
            "glassplate_repair_failed_steps",
            "Number of repair steps that failed and are not retried.",
            repair["failed_total"],
        ),
        (
            "glassplate_waiting_volumes",
            "Number of volumes that were not compared and swept since their last fault.",
            sum(len(wait["volumes"]) for wait in status["waits"]),
        ),
        (
            "glassplate_under_mirrored_files",
            "Number of files known to lack a copy: hints, and steps left or failed of repairs.",
            status["pending_hints"] + repair["steps_left"] + repair["failed_total"],
        ),
        ("glassplate_alerts", "Number of alerts in the status.", len(status["alerts"])),
    ):
        if value is not None:
            metrics.append(GaugeMetricFamily(name, about, value))
    return metrics


def _certificates(status: Mapping[str, Any]) -> Metric:
    days = GaugeMetricFamily(
        "glassplate_certificate_days_left",
        "Whole days until the certificate of a machine ends; negative after its end.",
        labels=["role", "id"],
    )
    for each in status["tls"]["certificates"]:
        days.add_metric([each["role"], each["id"]], each["days_left"])
    return days


def _node_metrics(status: Mapping[str, Any]) -> list[Metric]:
    by_node = ["node", "colo"]
    up = GaugeMetricFamily(
        "glassplate_node_up", "1 if the node is up, 0 otherwise.", labels=by_node
    )
    suspect = GaugeMetricFamily(
        "glassplate_node_suspect",
        "1 if the node's disk takes no writes, 0 otherwise.",
        labels=by_node,
    )
    hints = GaugeMetricFamily(
        "glassplate_pending_hints",
        "Number of files that the node holds for other nodes.",
        labels=by_node,
    )
    hints_age = GaugeMetricFamily(
        "glassplate_oldest_hint_age_seconds",
        "Time since the node last held no hint, in seconds; 0 without hints.",
        labels=by_node,
    )
    readable = GaugeMetricFamily(
        "glassplate_node_readable",
        "1 if the node's read port responds, 0 otherwise.",
        labels=by_node,
    )
    photos = GaugeMetricFamily(
        "glassplate_node_photos", "Number of photos that the node stores.", labels=by_node
    )
    stored = GaugeMetricFamily(
        "glassplate_node_stored_bytes",
        "Bytes of all files in the volumes of the node.",
        labels=by_node,
    )
    for node in status["nodes"]:
        labels = [node["id"], node["colo"]]
        if node["photos"] is not None:
            photos.add_metric(labels, node["photos"])
            stored.add_metric(labels, node["bytes"])
        readable.add_metric(labels, float(node["read_up"]))
        up.add_metric(labels, float(node["up"]))
        if node["up"]:
            suspect.add_metric(labels, float(bool(node["reason"])))
        if node["pending_hints"] is not None:
            hints.add_metric(labels, node["pending_hints"])
            hints_age.add_metric(labels, node["hints_age_seconds"])
    return [up, readable, suspect, hints, hints_age, photos, stored]


def _capacity_metrics(
    kind: str, names: Sequence[str], found: Iterable[Mapping[str, Any]]
) -> list[Metric]:
    """Return the metrics of nodes or colos, by their id and colo."""
    fill = GaugeMetricFamily(
        f"glassplate_{kind}_fill_ratio", f"Used share of the disks of the {kind}.", labels=names
    )
    days = GaugeMetricFamily(
        f"glassplate_{kind}_days_to_full",
        f"Days until the {kind} takes no new photos at the rate of the last week.",
        labels=names,
    )
    for each in found:
        labels = [each["id"], each["colo"]] if "colo" in each else [each["id"]]
        for metric, value in ((fill, each["fill_share"]), (days, each["days_to_full"])):
            if value is not None:
                metric.add_metric(labels, value)
    return [fill, days]


def _map_metrics(status: Mapping[str, Any]) -> list[Metric]:
    by_node = ["node", "colo"]
    strays = GaugeMetricFamily(
        "glassplate_node_stray_volumes",
        "Number of volumes that the node holds and the volume map does not give to it.",
        labels=by_node,
    )
    lacking = GaugeMetricFamily(
        "glassplate_node_lacking_volumes",
        "Number of volumes that the volume map gives to the node and that it does not hold.",
        labels=by_node,
    )
    for node in status["nodes"]:
        strays.add_metric([node["id"], node["colo"]], len(node["stray_volumes"]))
        lacking.add_metric([node["id"], node["colo"]], len(node["lacking_volumes"]))
    disagrees = GaugeMetricFamily(
        "glassplate_disagreement",
        "1 if map, keys, or TLS of the process differ from the storagemaster's, 0 otherwise.",
        labels=["kind", "id", "about"],
    )
    for kind, machines in (("node", "nodes"), ("edge", "edges"), ("master", "masters")):
        for machine in status[machines]:
            for about in ("map", "keys", "tls"):
                value = float(about in machine["disagrees_on"])
                disagrees.add_metric([kind, machine["id"], about], value)
    return [strays, lacking, disagrees]


def _edge_up(status: Mapping[str, Any]) -> Metric:
    edge_up = GaugeMetricFamily(
        "glassplate_edge_up",
        "1 if the port of the edge responds, 0 otherwise.",
        labels=["edge", "colo", "port"],
    )
    for edge in status["edges"]:
        for port, is_up in (("listen", edge["up"]), ("purge", edge["purge_up"])):
            edge_up.add_metric([edge["id"], edge["colo"], port], float(is_up))
    return edge_up


def _clock_differences(status: Mapping[str, Any]) -> Metric:
    differences = GaugeMetricFamily(
        "glassplate_clock_difference_seconds",
        "Least difference to the clock of the storagemaster, in seconds; positive if ahead.",
        labels=["kind", "id", "colo"],
    )
    for kind, machines in (("node", status["nodes"]), ("edge", status["edges"])):
        for machine in machines:
            if (seconds := machine["clock_difference_seconds"]) is not None:
                differences.add_metric([kind, machine["id"], machine["colo"]], seconds)
    return differences
