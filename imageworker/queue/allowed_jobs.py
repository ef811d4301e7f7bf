"""RQ jobs that can run nothing but what is on a list.

RQ imports whatever function name stands in Redis, callbacks too, so that whoever can write there
could run code here. A job of this class never imports anything: its name is looked up in a table,
and its arguments are checked by the function that gets them, which finds them signed or refuses.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rq.job import Job, JobStatus
from rq.queue import Queue

if TYPE_CHECKING:
    from redis.client import Pipeline

Handler = Callable[..., Any]


class JobRefused(Exception):
    """A job asks for something that is not on the list."""


class AllowedJob(Job):
    """A job whose function comes from `handlers`, and which has no callbacks."""

    handlers: ClassVar[Mapping[str, Handler]] = {}
    retry_queue_name: ClassVar[str] = ""

    @property
    def func(self) -> Handler:
        """The handler of this job's name."""
        handler = self.handlers.get(self.func_name or "")
        if handler is None or self.instance is not None:
            raise JobRefused(f"no job is called {self.func_name!r} here")
        return handler

    @property
    def success_callback(self) -> None:
        """None: callbacks are not run."""

    @property
    def failure_callback(self) -> None:
        """None: callbacks are not run."""

    @property
    def stopped_callback(self) -> None:
        """None: callbacks are not run."""

    def send_webhooks(self, status: str | JobStatus, *, exc_string: str | None = None) -> None:
        """Nothing: a job may not have this machine ask for URLs."""
        del status, exc_string

    def retry(self, queue: Queue, pipeline: "Pipeline") -> None:
        """Be tried again later, behind what has not failed yet."""
        queue_ = Queue(self.retry_queue_name, queue.connection, serializer=self.serializer)
        super().retry(queue_, pipeline)


def allowing(handlers: Mapping[str, Handler], *, retry_queue_name: str) -> type[AllowedJob]:
    """A job class that runs these handlers, by the names that jobs give them, and nothing else."""
    return type(
        "AllowedJob",
        (AllowedJob,),
        {"handlers": dict(handlers), "retry_queue_name": retry_queue_name},
    )
