"""Requeueing of jobs whose worker died, and of jobs whose retry is due.

RQ treats a job as abandoned only long after its timeout. Here a worker is dead once its heartbeat
expires, and its death counts as a failed attempt at the photo.

RQ requeues due retries in a child process of every worker, which survives a killed worker. Here the
storagemasters do it.
"""

import asyncio
import logging
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import cast

import redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import ScheduledJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer

from permission_urls import Forbidden, KeySource, verify_job
from runtime.request_scope import RequestScope, request_scope
from storagemaster.errors import MasterError
from storagemaster.job_wire import (
    JOB_SECONDS_MAX,
    QUEUES,
    RETRY_QUEUE,
    WORKERS_KEY,
    JobKind,
    fields_to_sign,
    heartbeat_key,
    parse_meta,
)
from storagemaster.jobs.attempts import Attempts
from storagemaster.jobs.sizes_queue import SizesQueue, or_none
from storagemaster.readable_job import ReadableJob, text_of
from storagenode.protocol.errors import NodeError
from volumes.photo_path import InvalidPath, Variant, parse_path

log = logging.getLogger(__name__)

PASS_SECONDS = 3.0
# Time after a job's timeout. Then the job is abandoned even if its worker has a heartbeat.
GRACE_SECONDS = 30.0
REASON = "the worker that made its sizes died"


@dataclass(frozen=True, slots=True)
class _Abandoned:
    kind: JobKind
    original: Variant
    request_id: str


class AbandonedJobs:
    """The jobs that dead workers left behind, and the live workers."""

    def __init__(
        self,
        connection: redis.Redis,
        keys: KeySource,
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
        """Requeue the jobs of dead workers, and return their number.

        A job whose failed attempt cannot be recorded now waits for the next pass.
        """
        try:
            self._abandoned += await asyncio.to_thread(self._claim_all)
        except redis.RedisError:
            return 0
        abandoned, self._abandoned = self._abandoned, []
        for each in abandoned:
            log.warning("worker died while processing %s", each.original)
            # The sweep requeues second passes, because it counts how often it has.
            if each.kind is JobKind.SECOND_PASS:
                continue
            try:
                can_retry = await self._attempts.record(each.original, REASON)
            except (MasterError, NodeError) as error:
                log.warning("cannot record the failed attempt at %s yet: %s", each.original, error)
                self._abandoned.append(each)
                continue
            if can_retry:
                with request_scope(RequestScope(each.request_id)):
                    self._queue.enqueue(each.original, queue_name=RETRY_QUEUE)
        return len(abandoned) - len(self._abandoned)

    async def map_digests_of_workers(self) -> dict[str, str] | None:
        """Return the map digest of each live worker, or None if the queue is unreachable."""
        return await or_none(self._alive)

    def _alive(self) -> dict[str, str]:
        """Return the map digests of the live workers by name, and unregister the dead ones."""
        alive = {}
        for raw in self._connection.smembers(WORKERS_KEY):
            name = text_of(raw)
            heartbeat = self._connection.get(heartbeat_key(name))
            if heartbeat is not None:
                alive[name] = text_of(heartbeat)
            else:
                self._connection.srem(WORKERS_KEY, raw)
        return alive

    def _claim_all(self) -> list[_Abandoned]:
        alive = self._alive()
        found = []
        for queue_name in QUEUES:
            self._requeue_due(queue_name)
            started = StartedJobRegistry(queue_name, self._connection, serializer=JSONSerializer)
            entries = cast("list[bytes]", self._connection.zrange(started.key, 0, -1))
            for entry in entries:
                job_id = started.parse_job_id(text_of(entry))
                try:
                    job = ReadableJob.fetch(job_id, self._connection, serializer=JSONSerializer)
                except NoSuchJobError:
                    continue
                # Several storagemasters can find the job. The one that removes the entry takes it.
                if self._is_abandoned(job, alive) and self._connection.zrem(started.key, entry):
                    job.delete()
                    found.append(self._read(job))
            self._connection.zremrangebyscore(started.key, 0, int(self._now_seconds()))
        return [each for each in found if each is not None]

    def _requeue_due(self, queue_name: str) -> None:
        """Append the jobs whose retry is due to their queue."""
        due = ScheduledJobRegistry(  # type: ignore[no-untyped-call]  # RQ leaves it untyped
            queue_name, self._connection, serializer=JSONSerializer
        )
        for job_id in due.get_jobs_to_schedule(int(self._now_seconds())):
            try:
                job = ReadableJob.fetch(job_id, self._connection, serializer=JSONSerializer)
            except NoSuchJobError:
                self._connection.zrem(due.key, job_id)
                continue
            # Several storagemasters can find the job. The one that removes the entry requeues it.
            if self._connection.zrem(due.key, job_id):
                Queue(queue_name, self._connection, serializer=JSONSerializer).enqueue_job(job)

    def _is_abandoned(self, job: Job, alive: Container[str]) -> bool:
        if job.get_status(refresh=False) != JobStatus.STARTED or job.started_at is None:
            return False
        age_seconds = self._now_seconds() - job.started_at.timestamp()
        return job.worker_name not in alive or age_seconds > JOB_SECONDS_MAX + GRACE_SECONDS

    def _read(self, job: Job) -> _Abandoned | None:
        """Return the kind and the original of a job, or None if its signature is invalid."""
        try:
            kind = JobKind(job.func_name or "")
            path, signature = job.args
            verify_job(self._keys, signature, fields_to_sign(kind, path))
            original = parse_path(path)
        except (Forbidden, InvalidPath, ValueError, TypeError, AttributeError) as error:
            log.warning("abandoned job %s was dropped: not signed: %s", job.id, error)
            return None
        if not isinstance(original, Variant):
            return None
        return _Abandoned(kind, original, parse_meta(job.meta))
