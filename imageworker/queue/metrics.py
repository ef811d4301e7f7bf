"""Prometheus metrics of a worker: jobs by queue and outcome, and the processing time."""

import contextlib
import errno
import logging
import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

from storagemaster.job_wire import QUEUES
from volumes.address import Address

log = logging.getLogger(__name__)

SLOW_SECONDS = 1.0
WORKERS_MAX = 64
_NORMAL_OUTCOMES = frozenset({"ready", "already_done"})
BUCKETS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
OTHER_QUEUE = "other"


class JobMetrics:
    """Counter and histogram of the jobs of one worker."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._jobs = Counter(
            "glassplate_jobs",
            "Number of finished jobs, by queue and outcome.",
            ["queue", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "glassplate_photo_processing_seconds",
            "Time from taking a job until its sizes are mirrored, in seconds.",
            ["queue"],
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )

    @contextlib.contextmanager
    def job(self, queue_name: str) -> Iterator[Callable[[str], None]]:
        """Measure one job. The block sets the outcome; it is `error` if the block raises."""
        # Other programs can write to the queue server; an unknown name must not become a label.
        queue_name = queue_name if queue_name in QUEUES else OTHER_QUEUE
        outcome = "error"

        def set_outcome(value: str) -> None:
            nonlocal outcome
            outcome = value

        started = self._clock()
        try:
            yield set_outcome
        finally:
            seconds = self._clock() - started
            self._jobs.labels(queue_name, outcome).inc()
            self._seconds.labels(queue_name).observe(seconds)
            if seconds > SLOW_SECONDS or outcome not in _NORMAL_OUTCOMES:
                log.info("a job of queue %s: %s in %.1f s", queue_name, outcome, seconds)

    def serve(self, address: Address) -> Address:
        """Serve `GET /metrics` until the process exits; return the address.

        It has the given port or the next free one, so that workers of one machine need no ports of
        their own.

        Raises:
            OSError: The host is not one of this machine, or `WORKERS_MAX` ports are in use.
        """
        for port in range(address.port, address.port + WORKERS_MAX):
            try:
                start_http_server(port, address.host, registry=self.registry)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                log.info("metrics are at http://%s:%d/metrics", address.host, port)
                return Address(address.host, port)
        raise OSError(
            errno.EADDRINUSE,
            f"the {WORKERS_MAX} ports from {address} on are in use; name another with --metrics",
        )
