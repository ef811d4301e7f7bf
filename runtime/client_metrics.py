"""Prometheus metrics of the clients of a process's ports."""

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runtime.clients import Clients


class ClientMetrics(Collector):
    """The open and the rejected connections of each port, by the port's name."""

    def __init__(self, ports: Mapping[str, Clients]) -> None:
        self._ports = ports

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of this moment."""
        connections = GaugeMetricFamily(
            "glassplate_connections", "Number of open connections.", labels=["port"]
        )
        rejected = CounterMetricFamily(
            "glassplate_rejected_connections",
            "Number of connections that were ended because of their client.",
            labels=["port", "reason"],
        )
        for port, clients in self._ports.items():
            connections.add_metric([port], clients.count)
            for offense, count in clients.rejected.items():
                rejected.add_metric([port, offense.value], count)
        return [connections, rejected]
