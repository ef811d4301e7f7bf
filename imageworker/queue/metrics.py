"""Metrics of a worker for Prometheus: jobs by lane and outcome, and how long a photo takes."""

import contextlib
import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

from storagemaster.job_wire import QUEUES
from volumes.address import Address

BUCKETS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
OTHER_QUEUE = "other"


class JobMetrics:
    """Counts and times the jobs of one worker."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._jobs = Counter(
            "glassplate_jobs",
            "Jobs that ended, by lane and by what became of them.",
            ["queue", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "glassplate_photo_processing_seconds",
            "From taking a job to its sizes being mirrored.",
            ["queue"],
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )

    @contextlib.contextmanager
    def job(self, queue_name: str) -> Iterator[Callable[[str], None]]:
        """A block that does one job, and says how it ended; one that raises is an `error`."""
        # Lanes come out of a queue that others may write to.
        queue_name = queue_name if queue_name in QUEUES else OTHER_QUEUE
        outcome = "error"

        def say(word: str) -> None:
            nonlocal outcome
            outcome = word

        began = self._clock()
        try:
            yield say
        finally:
            self._jobs.labels(queue_name, outcome).inc()
            self._seconds.labels(queue_name).observe(self._clock() - began)

    def serve(self, address: Address) -> None:
        """Answer `GET /metrics` at an address, for as long as the process lives.

        Raises:
            OSError: The address is taken.
        """
        start_http_server(address.port, address.host, registry=self.registry)
