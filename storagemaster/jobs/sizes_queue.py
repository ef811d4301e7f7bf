"""Queue of the jobs that make sizes: RQ jobs, named by a string that only workers resolve.

The queue is only an accelerator: the sweep finds photos without sizes on the disks and enqueues
them again. Enqueueing therefore never blocks, never fails an upload, and goes to Valkey in batches.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import redis
from redis.client import Pipeline
from rq import Queue
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from permission_urls import KeySource, sign_job
from runtime.crashpoint import crashpoint
from runtime.request_scope import current_request_id
from storagemaster.job_wire import (
    NEW_QUEUE,
    QUEUES,
    RETRY_QUEUE,
    JobKind,
    fields_to_sign,
    render_meta,
)
from storagemaster.jobs.enqueue_script import EnqueueScript, NewJob
from storagemaster.readable_job import MalformedJob, ReadableJob, text_of
from volumes.photo_path import Variant, render_path

log = logging.getLogger(__name__)

WAITING_MAX = 100_000
BATCH_MAX = 200
BATCH_WAIT_SECONDS = 0.05
RECONNECT_SECONDS = 1.0
# Far longer than a worker needs between taking a job off its queue and marking it as started.
PICKUP_SECONDS = 1.0
# The search for a job stops at this position, which bounds the work of the queue server.
POSITION_MAX = 10_000

_ENDED = {JobStatus.FAILED, JobStatus.FINISHED, JobStatus.STOPPED, JobStatus.CANCELED}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Entry:
    queue_name: str
    kind: JobKind
    original: Variant
    request_id: str


class _Waiting(asyncio.Queue[_Entry]):
    """Jobs that wait for the next batch."""

    next_batch_seconds = 0.0


class QueueUnavailable(Exception):
    """The queue server is unreachable."""


async def or_none(query: Callable[[], T]) -> T | None:
    """Run a query in a thread, and return None if the queue server is unreachable."""
    try:
        return await asyncio.to_thread(query)
    except redis.RedisError:
        return None


class SizesQueue:
    """The jobs that make sizes. Jobs beyond its limits or lost with Valkey are left to the sweep.

    All calls to Valkey run in a thread.
    """

    def __init__(self, connection: redis.Redis, keys: KeySource) -> None:
        self._connection = connection
        self._keys = keys
        self._script = EnqueueScript(connection)
        self._waiting = _Waiting(WAITING_MAX)
        # Most of these are in the queue already, and no upload waits behind them.
        self._waiting_again = _Waiting(WAITING_MAX)
        self.is_reachable = True

    def enqueue(
        self, original: Variant, *, queue_name: str = NEW_QUEUE, kind: JobKind = JobKind.SIZES
    ) -> None:
        """Enqueue the job of an original with the next batch; return at once."""
        waiting = self._waiting_again if queue_name == RETRY_QUEUE else self._waiting
        with contextlib.suppress(asyncio.QueueFull):
            waiting.put_nowait(_Entry(queue_name, kind, original, current_request_id()))

    async def enqueue_now(self, original: Variant, *, queue_name: str, kind: JobKind) -> None:
        """Enqueue the job of an original, and return when it is in the queue.

        Raises:
            QueueUnavailable: The job is not in the queue, and nothing enqueues it later.
        """
        entry = _Entry(queue_name, kind, original, current_request_id())
        try:
            await asyncio.to_thread(self._enqueue, [entry])
        except (redis.RedisError, NoSuchJobError) as error:
            raise QueueUnavailable(str(error)) from error

    async def depths(self) -> dict[str, int] | None:
        """Return the number of waiting jobs by queue, or None if the server is unreachable."""
        return await or_none(
            lambda: {queue_name: self._queue(queue_name).count for queue_name in QUEUES}
        )

    async def oldest_job_seconds(self, now_seconds: float) -> float | None:
        """Return the age of the oldest waiting job, 0 without jobs, or None if it is unknown."""

        def age() -> float:
            ages = [0.0]
            for queue_name in QUEUES:
                for raw in self._connection.lrange(self._queue(queue_name).key, 0, 0):
                    with contextlib.suppress(NoSuchJobError):
                        job = self._fetch(text_of(raw))
                        if job.enqueued_at is not None:
                            ages.append(now_seconds - job.enqueued_at.timestamp())
            return max(ages)

        return await or_none(age)

    async def position(self, original: Variant) -> int | None:
        """Return the number of jobs before a photo's job in its queue, or None if it is unknown."""

        def position() -> int | None:
            with self._connection.pipeline(transaction=False) as pipeline:
                for queue_name in QUEUES:
                    key = self._queue(queue_name).key
                    pipeline.lpos(key, job_id_of(original), maxlen=POSITION_MAX)
                found: list[int | None] = pipeline.execute()
            return next((position for position in found if position is not None), None)

        return await or_none(position)

    async def job_state(self, original: Variant, kind: JobKind = JobKind.SIZES) -> str | None:
        """Return RQ's state of a photo's job, "" without a job, or None if it is unknown."""

        def state() -> str:
            try:
                return str(self._fetch(job_id_of(original, kind)).get_status(refresh=False).value)
            except NoSuchJobError:
                return ""

        return await or_none(state)

    async def flush_batch(self) -> None:
        """Wait for jobs of uploads and operators, and give a batch of them to RQ."""
        await self._flush(self._waiting)

    async def flush_again(self) -> None:
        """Wait for photos that the sweep found, and give a batch of them to RQ."""
        await self._flush(self._waiting_again)

    async def _flush(self, waiting: _Waiting) -> None:
        batch = [await waiting.get()]
        # The first job does not wait. While jobs arrive fast, one batch is cheaper than many.
        loop = asyncio.get_running_loop()
        await asyncio.sleep(waiting.next_batch_seconds - loop.time())
        waiting.next_batch_seconds = loop.time() + BATCH_WAIT_SECONDS
        while len(batch) < BATCH_MAX and not waiting.empty():
            batch.append(waiting.get_nowait())
        try:
            crashpoint("before_enqueue")
            await asyncio.to_thread(self._enqueue, batch)
            crashpoint("after_enqueue")
            self.is_reachable = True
        except redis.RedisError as error:
            if self.is_reachable:
                log.warning("queue unavailable, the sweep enqueues lost jobs later: %s", error)
            self.is_reachable = False
            await asyncio.sleep(RECONNECT_SECONDS)

    def _enqueue(self, batch: list[_Entry]) -> None:
        """Enqueue the jobs that do not exist, and replace the jobs that have ended.

        A running job must not return to the queue: that would hide the death of its worker.
        """
        entries = {job_id_of(entry.original, entry.kind): entry for entry in batch}
        lost = [id_ for id_ in self._put(entries) if self._replace_if_ended(id_, entries[id_])]
        if lost:
            # A live worker marks a job that it has taken as started meanwhile.
            time.sleep(PICKUP_SECONDS)
            for job_id in lost:
                self._replace_if_ended(job_id, entries[job_id], or_lost=True)

    def _replace_if_ended(self, job_id: str, entry: _Entry, *, or_lost: bool = False) -> bool:
        """Enqueue a job again if it has ended, and keep it if it waits or runs.

        Returns:
            True if the job is off its queue and not marked as started: its worker may have died.
            With `or_lost`, such a job is enqueued again.
        """
        is_off_its_queue = False

        def replace(pipeline: Pipeline) -> None:
            nonlocal is_off_its_queue
            try:
                job = self._fetch(job_id)
            except MalformedJob:
                pipeline.multi()
                pipeline.delete(Job.key_for(job_id))
                self._put({job_id: entry}, pipeline)
                return
            is_off_its_queue = self._is_off_its_queue(job)
            pipeline.multi()
            if (is_off_its_queue and or_lost) or job.get_status(refresh=False) in _ENDED:
                job.delete(pipeline=pipeline, remove_from_queue=False)
                self._put({job_id: entry}, pipeline)

        # These errors mean that another process has just changed the job: nothing to do.
        with contextlib.suppress(NoSuchJobError, InvalidJobOperation):
            self._connection.transaction(replace, Job.key_for(job_id))
        return is_off_its_queue

    def _is_off_its_queue(self, job: Job) -> bool:
        """Return True if a worker took a job and has not marked it as started: it may have died."""
        return (
            job.get_status(refresh=False) == JobStatus.QUEUED
            and self._connection.lpos(self._queue(job.origin).key, job.id) is None
        )

    def _put(self, entries: Mapping[str, _Entry], pipeline: Pipeline | None = None) -> list[str]:
        """Enqueue the jobs that do not exist; return the ids of other jobs that do not wait.

        With a `pipeline`, do so when it is executed, and return no ids.
        """
        by_kind: dict[tuple[str, JobKind], list[NewJob]] = {}
        for job_id, entry in entries.items():
            path = render_path(entry.original)
            signature = sign_job(self._keys, fields_to_sign(entry.kind, path))
            by_kind.setdefault((entry.queue_name, entry.kind), []).append(
                NewJob(job_id, (path, signature), render_meta(entry.request_id))
            )
        return [
            text_of(job_id)
            for (queue_name, kind), jobs in by_kind.items()
            for job_id in self._script.put(queue_name, kind, jobs, pipeline)
        ]

    def _fetch(self, job_id: str) -> Job:
        return ReadableJob.fetch(job_id, self._connection, serializer=JSONSerializer)

    def _queue(self, queue_name: str) -> Queue:
        return Queue(queue_name, connection=self._connection, serializer=JSONSerializer)


def job_id_of(original: Variant, kind: JobKind = JobKind.SIZES) -> str:
    """Return the job id of a photo version, so that one version never has two jobs of a kind."""
    prefix = "second" if kind is JobKind.SECOND_PASS else "sizes"
    return f"{prefix}-{original.photo_version.photo}-{original.photo_version.version}"
