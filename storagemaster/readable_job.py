"""RQ jobs whose hash in the queue server may be malformed."""

import logging
from typing import Any, Self

import redis
from rq.exceptions import NoSuchJobError
from rq.job import Job

log = logging.getLogger(__name__)


class MalformedJob(NoSuchJobError):
    """The key of a job holds something that RQ cannot read. RQ skips it as a missing job."""


class ReadableJob(Job):
    """Job that raises `MalformedJob` instead of whatever RQ's parsers raise."""

    @classmethod
    def fetch(cls, id: str, *arguments: Any, **options: Any) -> Self:  # noqa: A002  # RQ's name
        """Return a job from the queue server.

        Raises:
            NoSuchJobError: The queue server does not have the job.
            MalformedJob: RQ cannot read its id or its fields.
            redis.RedisError: The queue server is unavailable.
        """
        try:
            job: Self = super().fetch(id, *arguments, **options)  # type: ignore[assignment]
            _refuse_odd_retries(job)
            return job
        except NoSuchJobError as error:
            if str(error).startswith("Unexpected job format"):
                raise _malformed(id, error) from error
            raise
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise _malformed(id, error) from error
        except redis.ResponseError as error:
            if str(error).startswith("WRONGTYPE"):
                raise _malformed(id, error) from error
            raise


def text_of(raw: bytes | str) -> str:
    """Return text from the queue server, which may be no UTF-8."""
    return raw if isinstance(raw, str) else raw.decode(errors="replace")


def _refuse_odd_retries(job: Job) -> None:
    intervals = job.retry_intervals
    if intervals is not None and not (
        isinstance(intervals, list) and all(isinstance(each, int) for each in intervals)
    ):
        raise ValueError(f"invalid retry_intervals {intervals!r}")


def _malformed(job_id: str, error: Exception) -> MalformedJob:
    log.warning("job %s in the queue is malformed and was skipped: %r", job_id, error)
    return MalformedJob(f"job {job_id} is malformed: {error!r}")
