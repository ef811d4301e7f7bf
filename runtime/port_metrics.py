"""Prometheus metrics of a process's ports: their connections and their requests."""

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from runtime.clients import Clients
from runtime.histogram import cumulative_buckets
from runtime.traffic import BUCKETS_SECONDS, RequestKind, Series


class PortMetrics(Collector):
    """The connections and requests of each port, by the port's name, and the map it serves."""

    def __init__(
        self, ports: Mapping[str, Clients], *, map_digest: Callable[[], str] = str
    ) -> None:
        self._ports = ports
        self._version = version("glassplate")
        self._map_digest = map_digest

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of this moment."""
        labels = {"version": self._version, "map": self._map_digest()}
        info = GaugeMetricFamily(
            "glassplate_process_info",
            "Always 1: the version of the process, and a digest of its volume map.",
            labels=list(labels),
        )
        info.add_metric(list(labels.values()), 1)
        return [info, *self._connections(), *self._requests()]

    def _connections(self) -> Iterable[Metric]:
        connections = GaugeMetricFamily(
            "glassplate_connections", "Number of open connections.", labels=["port"]
        )
        connections_max = GaugeMetricFamily(
            "glassplate_connections_max", "Number of connections that can be open.", labels=["port"]
        )
        rejected = CounterMetricFamily(
            "glassplate_rejected_connections",
            "Number of connections that were ended because of their client.",
            labels=["port", "reason"],
        )
        for port, clients in self._ports.items():
            connections.add_metric([port], clients.count)
            connections_max.add_metric([port], clients.limits.connections_max)
            for offense, count in clients.rejected.items():
                rejected.add_metric([port, offense.value], count)
        return [connections, connections_max, rejected]

    def _requests(self) -> Iterable[Metric]:
        in_progress = GaugeMetricFamily(
            "glassplate_http_requests_in_progress",
            "Number of requests without a complete response.",
            labels=["port"],
        )
        requests = CounterMetricFamily(
            "glassplate_http_requests",
            "Number of requests.",
            labels=["port", "route", "method", "code"],
        )
        by_route = ["port", "route", "method"]
        durations = HistogramMetricFamily(
            "glassplate_http_request_duration_seconds",
            "Time from the head of a request to the end of its response, in seconds.",
            labels=by_route,
        )
        received = CounterMetricFamily(
            "glassplate_http_received_bytes", "Bytes of the bodies of requests.", labels=by_route
        )
        sent = CounterMetricFamily(
            "glassplate_http_sent_bytes", "Bytes of responses, with their heads.", labels=by_route
        )
        for port, clients in self._ports.items():
            in_progress.add_metric([port], clients.traffic.in_progress)
            for kind, series in clients.traffic.series.items():
                labels = [port, kind.route, kind.method, str(kind.code)]
                requests.add_metric(labels, sum(series.buckets))
            for (route, method), total in _without_codes(clients.traffic.series).items():
                labels = [port, route, method]
                buckets = cumulative_buckets(BUCKETS_SECONDS, total.buckets)
                durations.add_metric(labels, buckets, sum_value=total.seconds)
                received.add_metric(labels, total.received_bytes)
                sent.add_metric(labels, total.sent_bytes)
        return [in_progress, requests, durations, received, sent]


def _without_codes(series: Mapping[RequestKind, Series]) -> dict[tuple[str, str], Series]:
    """Return the sums over all codes."""
    totals: dict[tuple[str, str], Series] = {}
    for kind, counted in series.items():
        total = totals.setdefault((kind.route, kind.method), Series())
        total.buckets = [sum(pair) for pair in zip(total.buckets, counted.buckets, strict=True)]
        total.seconds += counted.seconds
        total.received_bytes += counted.received_bytes
        total.sent_bytes += counted.sent_bytes
    return totals
