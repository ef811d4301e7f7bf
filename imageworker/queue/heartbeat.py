"""Telling the storagemasters that a worker lives, also while it is busy with a photo."""

import threading
from types import TracebackType
from typing import Self

import redis

from storagemaster.job_wire import (
    HEARTBEAT_SECONDS,
    HEARTBEAT_TTL_SECONDS,
    WORKERS_KEY,
    heartbeat_key,
)


class Heartbeat:
    """A thread that says every few seconds which worker lives here; a context manager.

    Nothing is said before `name` is set.
    """

    def __init__(self, connection: redis.Redis) -> None:
        self._connection = connection
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._name = ""

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def register(self, name: str) -> None:
        """Say at once, and from now on, that a worker of this name lives.

        Raises:
            redis.RedisError: The queue is away.
        """
        self._name = name
        self._beat()

    def _run(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            try:
                self._beat()
            except redis.RedisError:
                continue

    def _beat(self) -> None:
        if self._name:
            with self._connection.pipeline() as pipeline:
                pipeline.sadd(WORKERS_KEY, self._name)
                pipeline.set(heartbeat_key(self._name), 1, ex=HEARTBEAT_TTL_SECONDS)
                pipeline.execute()
