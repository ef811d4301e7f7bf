"""The last hours of the cluster, one sample every ten seconds, as one storagemaster sees it.

Samples are in memory only: after a restart the charts begin again.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SAMPLE_SECONDS = 10
SAMPLES_MAX = 6 * 3600 // SAMPLE_SECONDS


@dataclass(frozen=True, slots=True)
class Sample:
    """Values at one moment, by the name of their series. A missing value is unknown."""

    at_seconds: int
    values: Mapping[str, float]


class Samples:
    """Samples of the status document."""

    def __init__(self, *, master: str) -> None:
        self._master = master
        self._samples: deque[Sample] = deque(maxlen=SAMPLES_MAX)

    def is_due(self, now_seconds: float) -> bool:
        """Return True if the last sample is older than the interval."""
        last = self._samples[-1].at_seconds if self._samples else 0
        return now_seconds - last >= SAMPLE_SECONDS

    def record(self, now_seconds: float, status: Mapping[str, Any]) -> None:
        """Add a sample of a status document."""
        self._samples.append(Sample(int(now_seconds), values_of(status)))

    def document(self, *, after_seconds: int = 0) -> dict[str, Any]:
        """Return the samples after a second, as columns: null where a value was unknown."""
        samples = [each for each in self._samples if each.at_seconds > after_seconds]
        names = sorted({name for each in samples for name in each.values})
        return {
            "master": self._master,
            "interval_seconds": SAMPLE_SECONDS,
            "at_seconds": [each.at_seconds for each in samples],
            "series": {name: [each.values.get(name) for each in samples] for name in names},
        }


def values_of(status: Mapping[str, Any]) -> dict[str, float]:
    """Return the values of a status document that a chart can show."""
    queues = status["queues"]
    values: dict[str, float | None] = {
        "pending_hints": status["pending_hints"],
        "queued_jobs": None if queues is None else sum(queues.values()),
        "oldest_job_seconds": status["oldest_job_seconds"],
        "workers_alive": status["workers_alive"],
        "nodes_up": sum(node["up"] for node in status["nodes"]),
        "repair_bytes_left": status["repair"]["bytes_left"],
        "upload_p99_seconds": status["upload_p99_seconds"],
        "read_p99_seconds": _greatest(edge["read_p99_seconds"] for edge in status["edges"]),
        "reads_per_second": _sum(edge["reads_per_second"] for edge in status["edges"]),
        "fsync_p99_seconds": _greatest(node["fsync_p99_seconds"] for node in status["nodes"]),
    }
    for node in status["nodes"]:
        if node["up"]:
            values[f"free_bytes {node['id']}"] = node["free_bytes"]
    return {name: float(value) for name, value in values.items() if value is not None}


def _greatest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
