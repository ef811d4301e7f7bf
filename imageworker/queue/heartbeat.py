"""Heartbeat of a worker, also while it processes a photo."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import redis

from storagemaster.job_wire import (
    HEARTBEAT_SECONDS,
    HEARTBEAT_TTL_SECONDS,
    WORKERS_KEY,
    heartbeat_key,
)


class Heartbeat:
    """Thread that renews a worker's key in the queue server.

    It writes nothing before the first `register`.
    """

    def __init__(self, connection: redis.Redis, *, map_digest: Callable[[], str]) -> None:
        self._connection = connection
        self._map_digest = map_digest
        self._stopped = threading.Event()
        self._name = ""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run the thread until the block exits."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    def register(self, name: str) -> None:
        """Send a heartbeat for this worker now, and then every `HEARTBEAT_SECONDS`.

        Raises:
            redis.RedisError: The queue server is unavailable.
        """
        self._name = name
        self._send()

    def _run(self) -> None:
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            try:
                self._send()
            except redis.RedisError:
                continue

    def _send(self) -> None:
        if self._name:
            with self._connection.pipeline() as pipeline:
                pipeline.sadd(WORKERS_KEY, self._name)
                pipeline.set(
                    heartbeat_key(self._name), self._map_digest(), ex=HEARTBEAT_TTL_SECONDS
                )
                pipeline.execute()
