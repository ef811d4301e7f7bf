"""Finding the jobs of workers that died, soon, and having them done by others.

RQ sees that a job is abandoned when its time is long over. Here, a worker that has not said for
some seconds that it lives is dead, and its death counts as an attempt at the photo it was at.

Jobs whose pause before another try is over are put back into their lanes here as well. RQ has a
process of every worker do that, which outlives a worker that is killed.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import ScheduledJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import as_text

from permission_urls import Forbidden, KeyRing, verify_job
from storagemaster.errors import MasterError
from storagemaster.job_wire import (
    JOB_SECONDS_MAX,
    QUEUES,
    RETRY_QUEUE,
    WORKERS_KEY,
    JobKind,
    fields_to_sign,
    heartbeat_key,
)
from storagemaster.jobs.attempts import Attempts
from storagemaster.jobs.sizes_queue import SizesQueue
from storagenode.protocol.errors import NodeError
from volumes.photo_path import InvalidPath, Variant, parse_path

log = logging.getLogger(__name__)

PASS_SECONDS = 3.0
# Beyond the time a job has, before it counts as abandoned whatever its worker says of itself.
GRACE_SECONDS = 30.0
REASON = "the worker that made its sizes died"


@dataclass(frozen=True, slots=True)
class _Abandoned:
    kind: JobKind
    original: Variant


class AbandonedJobs:
    """Takes jobs from dead workers."""

    def __init__(
        self,
        connection: redis.Redis,
        keys: KeyRing,
        queue: SizesQueue,
        attempts: Attempts,
        *,
        now_seconds: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._queue = queue
        self._attempts = attempts
        self._now_seconds = now_seconds
        self._abandoned: list[_Abandoned] = []

    async def requeue_all(self) -> int:
        """Ask again for what dead workers have left; how much that was.

        Where a death cannot be noted beside the photo now, that waits for the next pass.
        """
        try:
            self._abandoned += await asyncio.to_thread(self._claim_all)
        except redis.RedisError:
            return 0
        abandoned, self._abandoned = self._abandoned, []
        for each in abandoned:
            log.warning("the worker at %s died", each.original)
            # A second pass is the sweep's to ask for again: it counts how often it has.
            if each.kind is JobKind.SECOND_PASS:
                continue
            try:
                is_to_go_on = await self._attempts.record(each.original, REASON)
            except (MasterError, NodeError) as error:
                log.warning("that cannot be noted yet: %s", error)
                self._abandoned.append(each)
                continue
            # A photo that has failed before is not worth a second worker: its note stays.
            if is_to_go_on:
                self._queue.enqueue(each.original, queue_name=RETRY_QUEUE)
        return len(abandoned) - len(self._abandoned)

    async def workers_alive(self) -> int | None:
        """How many workers live; None if the queue cannot be asked."""
        try:
            return len(await asyncio.to_thread(self._alive))
        except redis.RedisError:
            return None

    def _alive(self) -> set[str]:
        """The names of living workers; those of the dead are forgotten."""
        alive = set()
        for raw in self._connection.smembers(WORKERS_KEY):
            name = as_text(raw)
            if self._connection.exists(heartbeat_key(name)):
                alive.add(name)
            else:
                self._connection.srem(WORKERS_KEY, name)
        return alive

    def _claim_all(self) -> list[_Abandoned]:
        alive = self._alive()
        found = []
        for queue_name in QUEUES:
            self._put_back(queue_name)
            started = StartedJobRegistry(queue_name, self._connection, serializer=JSONSerializer)
            entries = cast("list[bytes]", self._connection.zrange(started.key, 0, -1))
            for entry in entries:
                job_id = started.parse_job_id(entry.decode())
                try:
                    job = Job.fetch(job_id, self._connection, serializer=JSONSerializer)
                except NoSuchJobError:
                    continue
                # Of several storagemasters, the one that removes the entry has the job.
                if self._is_abandoned(job, alive) and self._connection.zrem(started.key, entry):
                    job.delete()
                    found.append(self._read(job))
            self._connection.zremrangebyscore(started.key, 0, int(self._now_seconds()))
        return [each for each in found if each is not None]

    def _put_back(self, queue_name: str) -> None:
        """Have the jobs of a lane that are due again done after those that wait in it."""
        due = ScheduledJobRegistry(  # type: ignore[no-untyped-call]  # RQ leaves it untyped
            queue_name, self._connection, serializer=JSONSerializer
        )
        for job_id in due.get_jobs_to_schedule(int(self._now_seconds())):
            try:
                job = Job.fetch(job_id, self._connection, serializer=JSONSerializer)
            except NoSuchJobError:
                self._connection.zrem(due.key, job_id)
                continue
            # Of several storagemasters, the one that removes the entry puts the job back.
            if self._connection.zrem(due.key, job_id):
                Queue(queue_name, self._connection, serializer=JSONSerializer).enqueue_job(job)

    def _is_abandoned(self, job: Job, alive: set[str]) -> bool:
        if job.get_status(refresh=False) != JobStatus.STARTED or job.started_at is None:
            return False
        age_seconds = self._now_seconds() - job.started_at.timestamp()
        return job.worker_name not in alive or age_seconds > JOB_SECONDS_MAX + GRACE_SECONDS

    def _read(self, job: Job) -> _Abandoned | None:
        """What the job asked for; None if it is not one that a storagemaster signed."""
        try:
            kind = JobKind(job.func_name or "")
            path, signature = job.args
            verify_job(self._keys, signature, fields_to_sign(kind, path))
            original = parse_path(path)
        except (Forbidden, InvalidPath, ValueError, TypeError, AttributeError) as error:
            log.warning("a job of a dead worker was forged, and is dropped: %s", error)
            return None
        if not isinstance(original, Variant):
            return None
        return _Abandoned(kind, original)
