"""RQ jobs that can only run handlers from an allow list.

RQ imports any function that a job names, also as a callback. A process with write access to the
queue server could therefore run code in a worker. A job of this class imports nothing: its name
selects a handler from a table. The handler verifies the signature of its arguments.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rq.job import JobStatus
from rq.queue import Queue

from storagemaster.readable_job import ReadableJob

if TYPE_CHECKING:
    from redis.client import Pipeline

Handler = Callable[..., Any]


class JobRefused(Exception):
    """The function of a job is not on the allow list."""


class AllowedJob(ReadableJob):
    """Job whose function comes from `handlers`, and which has no callbacks."""

    handlers: ClassVar[Mapping[str, Handler]] = {}
    retry_queue_name: ClassVar[str] = ""

    @property
    def func(self) -> Handler:
        """Handler for the job's name."""
        handler = self.handlers.get(self.func_name or "")
        if handler is None or self.instance is not None:
            raise JobRefused(f"unknown job {self.func_name!r}")
        return handler

    @property
    def success_callback(self) -> None:
        """Always None: callbacks never run."""

    @property
    def failure_callback(self) -> None:
        """Always None: callbacks never run."""

    @property
    def stopped_callback(self) -> None:
        """Always None: callbacks never run."""

    def send_webhooks(self, status: str | JobStatus, *, exc_string: str | None = None) -> None:
        """Do nothing: a job must not make this machine send requests."""
        del status, exc_string

    def retry(self, queue: Queue, pipeline: "Pipeline") -> None:
        """Move the job to the retry queue, behind the jobs that have not failed."""
        queue_ = Queue(self.retry_queue_name, queue.connection, serializer=self.serializer)
        super().retry(queue_, pipeline)


def allowed_job_class(
    handlers: Mapping[str, Handler], *, retry_queue_name: str
) -> type[AllowedJob]:
    """Return a job class that runs only these handlers, by the names that jobs use."""
    return type(
        "AllowedJob",
        (AllowedJob,),
        {"handlers": dict(handlers), "retry_queue_name": retry_queue_name},
    )
